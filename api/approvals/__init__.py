"""Approvals: over HTTP, by a link, on a page."""
