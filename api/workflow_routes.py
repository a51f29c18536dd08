"""`/api/v1/workflows`, for clients of the older service: `/api/v1/executions` answers what it answers, and more."""

from litestar import Router

from api.deprecation import Deprecation, deprecated
from api.execution_actions import retry_workflow
from api.idempotency import idempotent
from api.workflows import list_workflows, read_workflow
from blocks.ports import RecordStore


def workflow_routes(store: RecordStore) -> Router:
    return Router(
        "/",
        route_handlers=[
            *deprecated(list_workflows, read_workflow),
            idempotent(store, *deprecated(retry_workflow)),
        ],
        middleware=[Deprecation(lambda path: path.replace("/workflows", "/executions", 1))],
    )
