"""Claim recovery over HTTP: what the platform's services call to trigger a phase
(`/api/v1/workflow`), with the paths, texts and bodies that they know, and what a tenant sees of its
journeys (`/api/v1/claims`).
"""
