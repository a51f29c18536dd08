"""Signing in to the pages with a credential of the API, and signing out."""
