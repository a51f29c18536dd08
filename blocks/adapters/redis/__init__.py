"""The bus of the platform's operations service: publications on Redis, and a list of the newest.

Contract: an event is published on the channel `workflow:<type>` and pushed to
`workflow:events:recent`, which keeps 1,000, as that service does. Pitfalls: a publication reaches
only who listens at that moment; whoever comes back reads the list.
"""
