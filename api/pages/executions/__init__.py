"""`/executions`: what is done for a tenant, and one execution as it happens."""
