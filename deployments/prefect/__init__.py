"""Prefect's server as this system runs it: embedded, tuned, closed to foreign pages."""
