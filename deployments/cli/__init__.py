"""The command `orchestrator`: its groups, its options, and one line for every error."""
