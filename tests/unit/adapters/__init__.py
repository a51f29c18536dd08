"""What the adapters of a port share."""
