"""`orchestrator doctor`: the state of every part of a running system, and what to do about faults.

Purpose: an examination from outside, for people and for a monitoring system; `checks` is the table
of all checks.
Contract: a check only reads. Each has a time limit, and an unavailable part is one line, never a
traceback. Its result is a `Finding`: which part, its state, what was found, what to do.
Pitfalls: it examines from where it runs. Give it the settings of the processes, or it examines
another system.
"""
