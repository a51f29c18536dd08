"""What has a schedule, and the rules for its ticks."""
