"""Webhooks: subscriptions, signatures, retries, and requests that reach no private address."""
