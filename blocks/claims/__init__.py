"""Claim recovery beside its flow: what triggers a phase, what a phase leaves, and what a journey
comes to.

Purpose: API, flow, prompts and the reconciler meet in the records of a journey (its execution), its
phases and its claims. Contract: every function may be called twice; every write is created once or
replaces what was read. Pitfalls: a journey at rest (`waiting`) is held by no run: who adds work
wakes it (`journeys.wake`).
"""
