"""Who changed what: kept for every changing request, told to the tenant's admin."""
