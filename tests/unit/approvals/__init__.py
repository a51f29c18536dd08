"""Approvals: votes, forms, pages, links, conditions."""
