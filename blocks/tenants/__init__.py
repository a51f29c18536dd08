"""Data per tenant: the directory, dispatch shares, places in limited collections, usage."""
