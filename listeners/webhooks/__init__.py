"""Deliveries to webhooks, each a request of its own."""
