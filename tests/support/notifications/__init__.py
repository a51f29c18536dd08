"""Who takes notifications: a communications hub and a mail server."""
