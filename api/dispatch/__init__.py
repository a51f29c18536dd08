"""The dispatch policy, over HTTP."""
