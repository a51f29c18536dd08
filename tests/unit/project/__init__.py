"""The repository itself: its layers, its documents, its deployment files, its test tools."""
