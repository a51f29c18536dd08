"""The repository itself: its layers, its deployment files, its test tools."""
