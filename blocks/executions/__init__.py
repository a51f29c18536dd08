"""The lifecycle of an execution and its steps: each transition, its announcement and its trace."""
