"""What must exist before anything starts: queues, containers, work pool, deployments, blocks."""
