"""Pictures of every page, of a tenant in the middle of its work: `make screenshots`."""
