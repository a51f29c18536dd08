"""Claim recovery over HTTP."""
