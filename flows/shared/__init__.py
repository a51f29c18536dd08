"""What flows have in common: claiming executions, the process's runtime, the tick of a schedule."""
