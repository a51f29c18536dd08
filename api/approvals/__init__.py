"""Decisions that people owe: over HTTP, by a link, on a page."""
