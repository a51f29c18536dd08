"""Runs in containers of a Docker engine of the tests' own, made from the image of this checkout."""
