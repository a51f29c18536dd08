"""What operators do: start, examine, observe, bootstrap, deploy."""
