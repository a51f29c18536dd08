"""Messages of a tenant that were refused, and what becomes of them."""
