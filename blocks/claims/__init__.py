"""Claim recovery's records and what happens to them; docs/claim-recovery.md."""
