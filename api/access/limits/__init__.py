"""What a caller may do too often: requests of a tenant, and failed logins from an address."""
