"""Claim recovery: triggers and journeys, their phases' rounds and log, the services that they call,
money and documents.
"""
