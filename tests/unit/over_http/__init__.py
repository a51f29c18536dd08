"""`orchestrator --api`: the same commands through the API."""
