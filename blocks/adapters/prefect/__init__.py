"""Prefect behind the `FlowRuns` port, and the clock of its server."""
