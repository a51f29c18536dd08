"""Claim recovery: its phases, what triggers them, its money and what is shown live; pure."""
