"""What turns the repository into running processes.

Purpose: the command line (`cli`), the worker type `in-process` (`worker`), the local stack
(`local`), Prefect's server (`prefect`), what must exist first (`bootstrap`), the doctor, the
simulated services, and the images (`docker`).
Contract: may import every other package; no package imports this one. A worker process serves one
work pool and may be killed at any moment: its `ProcessRecord` lists the flow runs that it holds.
Pitfalls: a flow that blocks the event loop blocks all runs of its worker; `loop_watchdog` logs
which one. The engine and the worker depend on private parts of Prefect 3.8;
`tests/acceptance/executions/test_in_process_worker.py` tests them.
"""
