"""The routes of claim recovery, as the application serves them."""

from litestar import Router

from api.claims.errors import answer_refused
from api.claims.phases import read_workflow_health, trigger_phase
from api.claims.queue_routes import clean_queue, read_queue_stats
from api.claims.routes import (
    cancel_journey,
    list_journeys,
    read_journey,
    read_journey_log,
    retry_journey,
)
from api.documentation.parts import COMPATIBLE
from api.idempotency import idempotent
from blocks.ports import RecordStore


def claim_routes(store: RecordStore) -> Router:
    """Both families; errors under `/workflow` have the body that the platform's services know."""
    called_by_services = Router(
        "/",
        route_handlers=[
            read_workflow_health,
            read_queue_stats,
            idempotent(store, trigger_phase, clean_queue),
        ],
        exception_handlers={Exception: answer_refused},
        opt=COMPATIBLE,
    )
    return Router(
        "/",
        route_handlers=[
            called_by_services,
            list_journeys,
            read_journey,
            read_journey_log,
            idempotent(store, retry_journey, cancel_journey),
        ],
    )
