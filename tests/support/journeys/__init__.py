"""Journeys through claim recovery in tests: what triggers them, what carries them, what kills it."""
