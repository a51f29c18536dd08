"""Prefect's async flow run engine, which is not documented: what we call, patch, override and use
of it.
"""

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import Any

from prefect import flow_engine
from prefect.client.schemas.objects import FlowRun
from prefect.flows import Flow

from blocks.prefect_internals.member import Member


def flow_parameters(flow: Flow[..., Any], flow_run: FlowRun) -> dict[str, Any]:
    """The run's parameters with the flow's defaults. Raises `TypeError` if they do not fit its
    signature.

    Assumed: this is how Prefect's own runners fill them in. Public functions for it start the run,
    too.
    """
    return flow_engine._flow_parameters(flow=flow, flow_run=flow_run, parameters=None)


@contextmanager
def no_sigterm_handler() -> Iterator[None]:
    """While this lasts, no flow run of this process handles SIGTERM. A patch of Prefect's module.

    Assumed: the engine enters `capture_sigterm()`, which it looks up in its module's globals,
    without arguments. There is no setting for it.
    """
    names = vars(flow_engine)
    original = names["capture_sigterm"]
    names["capture_sigterm"] = nullcontext
    try:
        yield
    finally:
        names["capture_sigterm"] = original


ENGINE_MEMBERS = (
    Member(
        "heartbeat_seconds",
        "a property; None starts no heartbeat thread. The setting holds for the whole process",
    ),
    Member(
        "setup_flow_run_suspension_request",
        "a context manager that yields the run's request; the base method also starts a thread "
        "with a web socket",
        parameters="(self)",
        called_by="start",
    ),
    Member(
        "begin_run",
        "the run moves to Running; from here on the engine turns a cancelled task into a state",
        parameters="(self)",
        is_async=True,
        called_by="start",
    ),
    Member(
        "handle_exception",
        "the run fails, or is running again when Prefect grants a retry; hooks see only the end",
        parameters="(self, exc, msg=None, result_store=None)",
        is_async=True,
        called_by="run_context",
    ),
    Member(
        "handle_crash",
        "called with the `CancelledError` of a cancelled task; sets the state that the server "
        "is given",
        parameters="(self, exc)",
        is_async=True,
        called_by="initialize_run",
    ),
    Member(
        "handle_cancellation",
        "the run ends as Cancelled, whatever the server has in between",
        parameters="(self, exc)",
        is_async=True,
    ),
    Member(
        "set_state",
        "proposes a state, or with force sets it, and keeps the answer as the engine's own state",
        parameters="(self, state, force=False)",
        is_async=True,
        called_by="begin_run",
    ),
    Member(
        "start",
        "a context manager: the run has begun inside; Prefect's own loop is written so",
        "(self)",
    ),
    Member("run_context", "a context manager around one try of the flow", "(self)"),
    Member("call_flow_fn", "carries out one try and sets the final state", "(self)", is_async=True),
    Member("is_running", "whether the flow is to be called once more", "(self)"),
    Member("state", "the last state that the server confirmed"),
    Member("flow_run", "the run, once there is one"),
    Member(
        "client",
        "a property: Prefect's client of this process, between start and end, for all requests",
    ),
    Member("logger", "its records appear in the run's log in Prefect's UI"),
    Member(
        "_get_flow_run_suspension_request",
        "the request that the engine asks before each state; there is no public name for it",
        parameters="(self)",
    ),
    Member(
        "_emit_flow_run_heartbeat",
        "sends one heartbeat event and does not block; without arguments it makes its own template",
        parameters="(self, resource=None, related=None)",
    ),
)
"""Of `AsyncFlowRunEngine`; `deployments/worker/in_process_engine.py` overrides or uses each."""
