"""`orchestrator up`: the whole system as child processes of one foreground command.

Purpose: starts, watches, restarts and stops the parts, and says in readable lines what it does.
Contract: when the command ends, however it ends, nothing of it is left running.
Pitfalls: children live in sessions of their own, so that Ctrl-C reaches only the supervisor.
"""
