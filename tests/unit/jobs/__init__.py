"""Batch jobs, their schedules and ticks."""
