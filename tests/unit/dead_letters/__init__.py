"""Dead letters as records."""
