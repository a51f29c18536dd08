"""The audit log: every changing request is recorded, and listed for the tenant's admin."""
