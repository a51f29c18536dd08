"""What may be asked for an execution: start, cancel, retry; one function each, whoever asks."""
