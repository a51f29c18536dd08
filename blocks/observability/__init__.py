"""What every process logs, masks and counts."""
