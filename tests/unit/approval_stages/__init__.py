"""Approvals in stages, with questions and stand-ins."""
