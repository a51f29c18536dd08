"""Claim recovery, for tests."""
