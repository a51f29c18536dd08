"""Clients of the API as tests need them."""
