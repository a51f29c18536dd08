"""The API against its own OpenAPI document: thousands of requests that it invites, and as many that
it does not.
"""
