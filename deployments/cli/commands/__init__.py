"""The commands of `orchestrator`, one file per family.

Contract: a module here imports click and the standard library's lightest parts at its top,
everything else inside the command, because all of these modules are imported to print the help
text.
"""
