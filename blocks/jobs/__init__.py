"""Triggers of batch jobs: accepted, published, matched with what workers report."""
