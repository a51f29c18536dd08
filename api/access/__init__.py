"""Who asks, for which tenant, and whether they may."""
