"""`/events`: the log of events that were taken in."""
