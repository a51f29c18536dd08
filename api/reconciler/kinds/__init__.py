"""The kinds of drift: what each finds, and what it does about it."""
