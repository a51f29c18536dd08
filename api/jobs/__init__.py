"""The scheduled batch jobs."""
