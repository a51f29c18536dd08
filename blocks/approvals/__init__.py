"""Approvals: who may decide, what time and votes make of them, which forms go with them, what is
published.
"""
