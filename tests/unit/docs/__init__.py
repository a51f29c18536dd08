"""The pages in docs/: their commands, their Python, their links, their promises."""
