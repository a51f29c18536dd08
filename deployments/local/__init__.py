"""`orchestrator up`: the whole system as child processes of one foreground command.

Purpose: starts, watches, restarts and stops the parts, and prints readable progress.
Contract: when the command ends, for whatever reason, none of its processes is left running.
Pitfalls: children live in sessions of their own, so that Ctrl-C reaches only the supervisor.
"""
