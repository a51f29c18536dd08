"""`/`: where a person begins: how the tenant's work is going, and what to do next."""
