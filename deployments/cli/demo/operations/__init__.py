"""`orchestrator demo operations`: all operations run in a stack of the demo's own.

Purpose: a person sees each of them do its work. Contract: nothing of the user's settings reaches
the stack, so what it works on lies in the demo's folder, in servers that the demo starts, and in
simulated services. Pitfall: an operation that finds no program for its work is shown as skipped.
"""
