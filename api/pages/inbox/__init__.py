"""What waits for a person: approvals and prompts of claims, what is overdue first."""
