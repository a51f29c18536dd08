"""What every process has around its work: ports, logs, metrics, start and end."""
