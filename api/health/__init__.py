"""Whether this process lives, is ready, and what it counts."""
