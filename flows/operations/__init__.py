"""The flows of operations, one a file; the work of their steps stands in `blocks.operations`."""
