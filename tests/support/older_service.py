"""Documents as the older orchestrator wrote them, with its own fields and no others."""

from typing import Any

import msgspec

from blocks.adapters.cosmos.record_store import CosmosRecordStore
from blocks.adapters.forwarding import ForwardingRecordStore
from blocks.adapters.sqlite.record_store import SqliteRecordStore
from blocks.ports import RecordStore
from tests.support.factories import A_TENANT, new_id

Document = dict[str, Any]

STEPS = ("risk_analysis", "risk_scoring", "forecast", "recommendation")


def older_approval(**changes: Any) -> Document:
    """A pending approval; a change to None leaves the field out."""
    document = {
        "id": new_id(),
        "tenantId": A_TENANT,
        "opportunityId": "0063X00000A1b2C",
        "riskScore": 0.91,
        "amount": 1_500_000,
        "requestedAt": "2026-03-02T09:15:00.250Z",
        "status": "pending",
        "ownerId": "u-208",
        "correlationId": new_id(),
    }
    return _without_none({**document, **changes})


def older_workflow(**changes: Any) -> Document:
    """A completed workflow."""
    id = changes.pop("id", new_id())
    document = {
        "id": id,
        "workflowId": id,
        "tenantId": A_TENANT,
        "opportunityId": "0063X00000A1b2C",
        "status": "completed",
        "steps": [older_step(id, one) for one in STEPS],
        "results": {"risk": {"riskScore": 0.42}, "forecast": {"revenueForecast": 12}},
        "startedAt": "2026-03-02T09:15:00.100Z",
        "completedAt": "2026-03-02T09:16:00.100Z",
        "createdAt": "2026-03-02T09:15:00.000Z",
        "updatedAt": "2026-03-02T09:16:00.100Z",
    }
    return _without_none({**document, **changes})


def older_step(workflow_id: str, step_type: str, **changes: Any) -> Document:
    document = {
        "stepId": new_id(),
        "workflowId": workflow_id,
        "stepType": step_type,
        "status": "completed",
        "result": {"of": step_type},
        "startedAt": "2026-03-02T09:15:00.200Z",
        "completedAt": "2026-03-02T09:15:30.000Z",
    }
    return _without_none({**document, **changes})


async def left_behind(store: RecordStore, container: str, *documents: Document) -> None:
    """These documents lie in the container, as the older service put them there."""
    while isinstance(store, ForwardingRecordStore):
        store = store._store
    for document in documents:
        if isinstance(store, CosmosRecordStore):
            async with store._call(container):
                await store._containers[container].create_item(dict(document))
        else:
            assert isinstance(store, SqliteRecordStore)
            await _insert(store, container, document)


async def _insert(store: SqliteRecordStore, container: str, document: Document) -> None:
    row = (document["tenantId"], document["id"], "", new_id(), "", _json(document))
    insert = f"INSERT INTO {container} VALUES (?, ?, ?, ?, ?, ?)"
    await store._file.run(lambda connection: connection.execute(insert, row))


def _json(document: Document) -> str:
    return msgspec.json.encode(document).decode()


def _without_none(document: Document) -> Document:
    return {key: value for key, value in document.items() if value is not None}
