"""How large an installation must be: computed, and simulated; the tables of docs/scaling.md."""
