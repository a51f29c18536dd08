"""An analysis by the AI workflow: over its own endpoint, or as a function of Inngest."""

from blocks.contracts import ids
from blocks.contracts.events import JsonObject
from blocks.contracts.operations.catalogue import SALES_OPERATIONS
from blocks.operations.http import Request, ask
from blocks.operations.sales.inngest import output_of_function
from blocks.ports import RecordStore
from blocks.settings.operations import SalesOperations

LIMIT_SECONDS = 240.0
"""So long it may take."""


def is_configured(settings: SalesOperations) -> bool:
    return bool(settings.inngest_event_key or settings.ai_workflow_url)


async def analysis_of(
    store: RecordStore, settings: SalesOperations, execution_id: str, step: str, data: JsonObject
) -> JsonObject | None:
    """What was found; None: it was requested, and its output cannot be read.

    Raises `ServiceFailed`.
    """
    key = ids.operation_call_id(SALES_OPERATIONS.id, execution_id, step)
    if settings.inngest_event_key:
        return await output_of_function(store, settings, step, data, key, LIMIT_SECONDS)
    request = Request(
        service="the AI workflow",
        url=settings.ai_workflow_url,
        method="POST",
        content={"workflow": SALES_OPERATIONS.id, "step": step, "input": data},
        token=settings.ai_workflow_token,
        headers={"idempotency-key": key},
        limit_seconds=LIMIT_SECONDS,
    )
    return (await ask(request)).json_object
