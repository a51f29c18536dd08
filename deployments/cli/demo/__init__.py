"""`orchestrator demo`: one event published, its analysis watched, its record shown."""
