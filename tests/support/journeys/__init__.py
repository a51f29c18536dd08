"""Journeys through claim recovery in tests: triggers, what carries them, what kills it."""
