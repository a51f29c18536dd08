"""What every process needs around its work: heartbeat, port, start, end, files of its own."""
