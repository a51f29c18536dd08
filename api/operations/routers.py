"""The routes of operations, as the application serves them."""

from litestar import Router
from litestar.di import Provide

from api.access.actor import provide_actor
from api.access.tenancy import provide_platform
from api.claims.errors import answer_refused
from api.http.deprecation import COMPATIBLE
from api.idempotency import idempotent
from api.operations.alerts import forward_alerts
from api.operations.events import list_events, publish_event
from api.operations.figures import (
    list_newest_runs,
    read_operations_health,
    read_operations_metrics,
    read_operations_stats,
)
from api.operations.routes import (
    cancel_run,
    list_operations,
    read_operation,
    read_run,
    retry_run,
    trigger_operation,
)
from blocks.ports import RecordStore

PREFIX = "/api"


def operation_routes(store: RecordStore) -> Router:
    """Errors have the body that the platform's services know."""
    return Router(
        PREFIX,
        route_handlers=[
            read_operations_health,
            list_operations,
            read_operation,
            read_run,
            list_events,
            read_operations_stats,
            list_newest_runs,
            read_operations_metrics,
            idempotent(
                store, trigger_operation, publish_event, cancel_run, retry_run, forward_alerts
            ),
        ],
        dependencies={"tenant_id": Provide(provide_platform), "actor": Provide(provide_actor)},
        exception_handlers={Exception: answer_refused},
        opt=COMPATIBLE,
    )
