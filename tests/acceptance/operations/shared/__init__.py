"""What all operations share: how they start, their steps, their address."""
