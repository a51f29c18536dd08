"""`/dead-letters`: the tenant's refused messages, mended and replayed by hand."""
