"""The routes of the API, area by area."""
