"""Functions of Inngest: an event starts one, and its output is read over Inngest's REST API.

The event API is authenticated by the event key in its path, the REST API by the signing key as a
bearer token (https://www.inngest.com/docs/events/creating-an-event-key,
https://www.inngest.com/docs/examples/fetch-run-status-and-output).
"""

import asyncio
from time import monotonic
from typing import Any, Literal

import msgspec

from blocks.contracts.events import JsonObject
from blocks.contracts.operations.catalogue import SALES_OPERATIONS
from blocks.observability.metrics import operations as metrics
from blocks.operations import states
from blocks.operations.http import Request, ServiceFailed, ask
from blocks.ports import RecordStore
from blocks.settings.operations import SalesOperations

START_SECONDS = 30.0
"""Within this time an event that Inngest took has started a function."""

LOOK_SECONDS = 2.0

Ending = Literal["completed", "failed", "cancelled"]


class Sent(msgspec.Struct, frozen=True, kw_only=True):
    """The event of an analysis. Inngest takes an `id` once in 24 hours, so a repetition after a
    failure has the next number.
    """

    number: int = 0
    event_id: str = ""
    """As Inngest names it; empty: it is not known to have been taken."""


async def output_of_function(
    store: RecordStore,
    settings: SalesOperations,
    step: str,
    data: JsonObject,
    key: str,
    limit_seconds: float,
) -> JsonObject | None:
    """What the function returned; None without a signing key. Raises `ServiceFailed`.

    Under one key, the event is sent once until its function has failed.
    """
    sent = await states.known(store, SALES_OPERATIONS, key, Sent) or Sent()
    if not sent.event_id:
        event_id = await _send(settings, step, data, f"{key}-{sent.number}")
        sent = msgspec.structs.replace(sent, event_id=event_id)
        await states.keep(store, SALES_OPERATIONS, key, sent)
    if not settings.inngest_signing_key:
        return None
    run = await _ended(settings, step, sent.event_id, limit_seconds)
    if run is None or run.ending != "completed":
        await states.keep(store, SALES_OPERATIONS, key, Sent(number=sent.number + 1))
        what = f"was {run.ending}" if run else f"did not start within {START_SECONDS:g} s"
        raise ServiceFailed(f"Inngest's function for {step} {what}")
    return run.output if isinstance(run.output, dict) else {}


class Run(msgspec.Struct, frozen=True, kw_only=True):
    status: str
    output: Any = None

    @property
    def ending(self) -> Ending | None:
        match self.status.lower():
            case "completed" | "failed" | "cancelled" as ending:
                return ending
            case _:
                return None


async def _send(settings: SalesOperations, step: str, data: JsonObject, id: str) -> str:
    """Inngest's id of the event."""
    request = Request(
        service="Inngest's event API",
        url=f"{settings.inngest_event_url.rstrip('/')}/e/{settings.inngest_event_key}",
        method="POST",
        content={"id": id, "name": f"{SALES_OPERATIONS.id}/{step}.requested", "data": data},
    )
    answer = (await ask(request)).json_object
    match answer.get("ids"):
        case [str(event_id), *_] if event_id:
            return event_id
    raise ServiceFailed("Inngest's event API answered without the id of the event")


async def _ended(
    settings: SalesOperations, step: str, event_id: str, limit_seconds: float
) -> Run | None:
    """The run that the event started, ended; None: it started none in time."""
    began = monotonic()
    try:
        while monotonic() - began < limit_seconds:
            runs = await _runs(settings, event_id)
            if ended := next((run for run in runs if run.ending), None):
                return ended
            if not runs and monotonic() - began > START_SECONDS:
                return None
            await asyncio.sleep(LOOK_SECONDS)
    finally:
        metrics.ANALYSIS_SECONDS.labels(step).observe(monotonic() - began)
    raise ServiceFailed(f"Inngest's function for {step} did not end within {limit_seconds:g} s")


async def _runs(settings: SalesOperations, event_id: str) -> list[Run]:
    request = Request(
        service="Inngest's REST API",
        url=f"{settings.inngest_api_url.rstrip('/')}/v1/events/{event_id}/runs",
        token=settings.inngest_signing_key,
    )
    try:
        return msgspec.convert((await ask(request)).json_object.get("data") or [], list[Run])
    except msgspec.ValidationError:
        raise ServiceFailed("Inngest's REST API answered what cannot be used") from None
