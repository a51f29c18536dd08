"""Private members of Prefect's `BaseWorker` that `deployments/worker/in_process_worker.py`
overrides or uses.

The documented way to write a worker is `run`, called once per run after a `Submitting` state and
with infrastructure of its own. Many runs in one process need the steps before it.
"""

from blocks.prefect_internals.member import Member

WORKER_MEMBERS = (
    Member("_description", "the text that Prefect's UI shows for the worker type; documented"),
    Member(
        "_get_scheduled_flow_runs",
        "asked at each poll; the base method computes what is due by this machine's clock",
        parameters="(self)",
        is_async=True,
        called_by="get_and_submit_flow_runs",
    ),
    Member(
        "_submit_run",
        "started as a task for each run of a poll, once its slot is taken and its id is noted",
        parameters="(self, flow_run)",
        is_async=True,
        called_by="_submit_scheduled_flow_runs",
    ),
    Member(
        "_setup_cancellation_observer",
        "called after the first sync; opens the web socket for cancelling, which one query "
        "replaces. The setting that turns it off holds for every worker of the machine's profile",
        parameters="(self)",
        is_async=True,
        called_by="_initialize_after_sync",
    ),
    Member(
        "_propose_pending_state",
        "the claim: True only for the first worker that proposes it",
        parameters="(self, flow_run)",
        is_async=True,
    ),
    Member(
        "_propose_failed_state",
        "the run fails with this exception; a refusal is no error",
        parameters="(self, flow_run, exc)",
        is_async=True,
    ),
    Member(
        "_propose_crashed_state",
        "the run crashes with this message; a refusal is no error",
        parameters="(self, flow_run, message, client=None)",
        is_async=True,
    ),
    Member(
        "_release_limit_slot",
        "the slot that the poll took for this run is free; harmless when it was not taken",
        parameters="(self, flow_run_id)",
    ),
    Member("_limiter", "None without a limit; else says how many slots are free"),
    Member(
        "_submitting_flow_run_ids",
        "runs in it are left out by the next polls; who overrides `_submit_run` discards",
    ),
    Member(
        "_exit_stack", "an `AsyncExitStack` from construction on, closed at the end of `teardown`"
    ),
    Member("_work_pool_name", "the pool it serves"),
    Member("_work_queues", "names of queues, empty for all"),
    Member("_prefetch_seconds", "how long before its time a run may be claimed"),
)
