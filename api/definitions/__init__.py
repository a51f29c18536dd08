"""A tenant's definitions of workflows, over HTTP."""
