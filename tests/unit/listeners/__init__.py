"""Intake, routing and dispatch."""
