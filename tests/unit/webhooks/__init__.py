"""Webhooks: what is sent, when again, and where never."""
