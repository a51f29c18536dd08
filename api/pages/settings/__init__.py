"""What a tenant's admin sets and reads: keys, webhooks, definitions, the audit log."""
