"""A tutorial in tests: one concept per file, read in their order; README.md is the index."""
