"""Events that open an execution, or that a pending one absorbs."""
