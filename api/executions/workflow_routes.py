"""`/api/v1/workflows`, for clients of the older service: `/api/v1/executions` answers what it
answers, and more.
"""

from litestar import Router

from api.executions.workflows import list_workflows, read_workflow, retry_workflow
from api.http.deprecation import COMPATIBLE, Deprecation, deprecated
from api.idempotency import idempotent
from blocks.ports import RecordStore


def workflow_routes(store: RecordStore) -> Router:
    return Router(
        "/",
        route_handlers=[
            *deprecated(list_workflows, read_workflow),
            idempotent(store, *deprecated(retry_workflow)),
        ],
        middleware=[Deprecation(lambda path: path.replace("/workflows", "/executions", 1))],
        opt=COMPATIBLE,
    )
