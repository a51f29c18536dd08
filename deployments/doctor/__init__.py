"""`orchestrator doctor`: is every part of a running system as it should be, and if not, what is to be done?

Purpose: one look from outside, for a person at night and for a monitoring system; `checks` is the table of all looks.
Contract: a check only reads. Each has a time limit, and a part that is dead is one line, never a traceback. What it
finds is a `Finding`: which part, how it is, what was found, what to do.
Pitfalls: it looks from where it runs. Give it the settings of the processes, or it examines another system.
"""
