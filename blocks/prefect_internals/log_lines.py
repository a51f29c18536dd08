"""Log lines of Prefect that are known by their text. Imports nothing of Prefect: logging is set up
before it.
"""

NO_ERRORS = ("Finished in state Suspended(type=PAUSED)", "Finished in state Running()")
"""What the engine logs as an error although the run was suspended, or was left to another worker.

Assumed: the engine logs "Finished in state …" with the state's text, already formatted. Prefect has
no setting for the level of this line.
"""
