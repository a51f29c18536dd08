"""The event by which the listener asks itself for a delivery to a webhook."""

WEBHOOK_DUE = "workflow.webhook.due"
"""From the listener to itself: one subscription is to receive the event in the body."""
