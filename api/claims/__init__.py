"""Claim recovery over HTTP, in the platform's own forms: field names and answers are those that its
services send and read.
"""
