"""How a flow run is suspended, and learns that it is. Prefect's public API only lets a flow suspend
itself, without a message.
"""

import json
from collections.abc import Mapping
from typing import Any
from uuid import UUID

import httpx
from prefect._flow_run_suspension import (
    FlowRunSuspensionRequest,
    mark_flow_run_suspension_requested,
    register_flow_run_suspension_request,
)
from prefect.client.orchestration import PrefectClient, get_client
from prefect.client.schemas.objects import State
from prefect.context import FlowRunContext
from prefect.exceptions import Abort, Pause, PrefectHTTPStatusError
from prefect.input import keyset_from_paused_state
from prefect.states import Suspended
from prefect.utilities.engine import propose_state

SuspensionRequest = FlowRunSuspensionRequest
"""Assumed: `raise_if_requested` raises `Pause` once the request was marked, and does nothing
before.
"""

registered = register_flow_run_suspension_request
"""Assumed: while this context lasts, `suspend_at_next_task` finds the request of this run.

The base engine registers it together with an observer: a thread with a web socket for each run.
"""


def suspend_at_next_task(flow_run_id: UUID, state: State) -> bool:
    """The run raises `Pause` at its next task; False: no such run is registered in this process.

    Assumed: marking does what the engine's own observer does.
    """
    return mark_flow_run_suspension_requested(flow_run_id, state)


async def suspended_with_form(
    schema: Mapping[str, Any], description: str, *, key: str, message: str
) -> dict[str, Any] | None:
    """What the run of this context was resumed with under this key; None if with nothing.

    Until then, the run is suspended with this form, and `Pause` is raised.
    Assumed: what `asuspend_flow_run` does, which takes no message, makes the form of a pydantic
    model, and stores it after the state. Prefect grants a key one suspension and rejects it later.
    """
    state: State[Any] = Suspended(pause_key=key, message=message)
    names = keyset_from_paused_state(state)
    state.state_details.run_input_keyset = {str(name): key for name, key in names.items()}
    flow_run_id = _current_run()
    async with get_client() as client:
        # First the form: who resumes the run as soon as it is suspended must find it.
        await _stored(client, flow_run_id, names["schema"], dict(schema))
        await _stored(client, flow_run_id, names["description"], description)
        try:
            reached = await propose_state(client, state, flow_run_id)
        except Abort as refusal:
            raise RuntimeError(f"the run cannot be suspended: {refusal}") from None
    if reached.is_running():  # it was suspended under this key before
        return await answer_given(key)
    if not reached.is_paused():
        raise RuntimeError(f"the run cannot be suspended: it is {reached.name}")
    mark_flow_run_suspension_requested(flow_run_id, reached)
    raise Pause(state=reached)


async def answer_given(key: str) -> dict[str, Any] | None:
    """What the run of this context was resumed with under this key, if it was."""
    name = keyset_from_paused_state(Suspended(pause_key=key))["response"]
    async with get_client() as client:
        try:
            read = await client.read_flow_run_input(_current_run(), name)
        except PrefectHTTPStatusError as error:
            if error.response.status_code == httpx.codes.NOT_FOUND:
                return None
            raise
    answer: dict[str, Any] | None = json.loads(read)
    return answer


def was_suspended() -> bool:
    """Whether the run of this context has been suspended since it began, or was retried.

    Assumed: Prefect forgets the keys of a run's suspensions when it is tried again, not when it is
    resumed. Its count of starts shows lost workers and retries as well.
    """
    context = FlowRunContext.get()
    return bool(context and context.flow_run and context.flow_run.empirical_policy.pause_keys)


def _current_run() -> UUID:
    context = FlowRunContext.get()
    assert context, "only a flow run is suspended"
    assert context.flow_run, "the engine has set it"
    return context.flow_run.id


async def _stored(client: PrefectClient, flow_run_id: UUID, name: str, value: object) -> None:
    """It is stored under this name, by this attempt or by an earlier one."""
    try:
        await client.create_flow_run_input(flow_run_id, key=name, value=json.dumps(value))
    except PrefectHTTPStatusError as error:
        if error.response.status_code != httpx.codes.CONFLICT:
            raise
