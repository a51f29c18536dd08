"""Whole executions on real processes."""
