"""Whole systems for tests: real processes, the platform's services, what must hold at the end."""
