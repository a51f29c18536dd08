"""What a tenant uses of the system, over HTTP."""
