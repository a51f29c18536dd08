"""Answers of other services: matched to the step that waits for them, or refused with a note on its
execution.
"""
