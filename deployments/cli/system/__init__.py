"""Commands that start, prepare, examine or describe the system itself."""
