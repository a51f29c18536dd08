"""Approvals on real processes."""
