"""Claim recovery: journeys, phases, the ledger of fees and proof packets, over records and bus."""
