"""Pending executions become flow runs: which tenant is next, how many at once."""
