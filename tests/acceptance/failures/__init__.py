"""Parts that are killed, cut off, slow or wrong, and what becomes of the work."""
