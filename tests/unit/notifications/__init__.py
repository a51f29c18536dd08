"""Notifications: what is sent, once, and what is not."""
