"""What turns the repository into running processes.

Purpose: the worker type `in-process` (`in_process_worker`, with its engine, its active runs and its watchdog), the
command line, the local stack and the images.
Contract: may import every other package; no package imports this one. A worker process serves one work pool and may be
killed at any moment: its `ProcessRecord` tells which flow runs die with it.
Pitfalls: a flow that blocks the event loop holds up all runs of its worker; `loop_watchdog` names it in the log. The
engine and the worker lean on private parts of Prefect 3.8: `tests/acceptance/test_in_process_worker.py` holds them.
"""
