"""Claim recovery: prompts."""
