"""`/api/v1/workflow`: the platform's services trigger a phase, and go on at once.

Paths, order of checks, texts and bodies are the platform's workflow contract; see
`blocks.contracts.claims.requests`.
"""

from typing import Annotated, Any, cast

from litestar import Request, get, post
from litestar.openapi.spec import Schema
from litestar.openapi.spec.enums import OpenAPIType
from litestar.params import PathParameter

from api.access.actor import Caller
from api.access.tenancy import TenantId
from api.claims import examples
from api.claims.errors import workflow_documented
from api.claims.phase_documents import PhaseTriggered, WorkflowHealth
from api.documentation.requests import operation_with_body
from api.http.bodies import CheckedRequest
from api.http.records import Bus, Store
from api.idempotency import KEY_ERRORS
from blocks.claims import triggers
from blocks.clock import utc_now
from blocks.contracts.claims.requests import BadTrigger, parse_phase, read_trigger

HEALTH = WorkflowHealth(
    status="ok", service="workflow-routes", message="Workflow routes are active"
)


PhaseOperation = operation_with_body(
    Schema(
        type=OpenAPIType.OBJECT,
        required=["user_id"],
        properties={
            "user_id": Schema(description="Whose data and claims they are.", min_length=1),
            "sync_id": Schema(description="Of phases 2 to 4 required: which sync of that data."),
            "seller_id": Schema(description="Phase 1; without one, the user's id."),
            "orders_count": Schema(description="Phase 2: how many orders the sync has read."),
            "inventory_items": Schema(description="Phase 2."),
            "claims": Schema(description="Phase 3: what detection found. Also `claims_found`."),
            "matches": Schema(description="Phase 4: evidence by claim. Also `matching_results`."),
            "claim_id": Schema(description="Of phases 5 to 7 required."),
            "amazon_case_id": Schema(description="Phases 5 to 7. In 6 and 7 also `case_id`."),
            "rejection_reason": Schema(description="Of phase 6 required."),
            "amount": Schema(description="Of phase 7 required: more than 0, at most two decimals."),
            "currency": Schema(
                description="Phase 7: usd, eur, gbp or cad; default: the claim's, as found."
            ),
        },
    ),
    PhaseTrigger={"user_id": "user_123", "sync_id": "sync_1", "orders_count": 120},
)
"""Read by the route itself: amounts are exact decimals."""


@get(
    "/workflow/health",
    summary="Check that phases can be triggered here",
    tags=["Claim recovery"],
    responses=workflow_documented(examples.WORKFLOW_HEALTH),
)
async def read_workflow_health(tenant_id: TenantId) -> WorkflowHealth:
    """The routes are active; whether all parts of the system are is answered by `/ready`."""
    return HEALTH


@post(
    "/workflow/phase/{phase:str}",
    status_code=200,
    summary="Trigger a phase",
    tags=["Claim recovery"],
    operation_class=PhaseOperation,
    responses=workflow_documented(examples.PHASE_TRIGGERED, BadTrigger, *KEY_ERRORS),
)
async def trigger_phase(
    request: Request[Any, Any, Any],
    store: Store,
    bus: Bus,
    tenant_id: TenantId,
    actor: Caller,
    raw_phase: Annotated[str, PathParameter(name="phase", description="1 to 7")],
) -> PhaseTriggered:
    """The trigger is durable, and the phase is carried out whatever happens to this process.

    The same trigger again has no further effect: a caller without an answer repeats the request.
    Required, besides `user_id`: `sync_id` of phases 2 to 4, `claim_id` of phases 5 to 7,
    `rejection_reason` of phase 6, `amount` of phase 7. Every 400 states what is missing in `error`.
    """
    phase = parse_phase(raw_phase)
    body = await cast("CheckedRequest", request).exact_json()
    trigger = read_trigger(phase, body if isinstance(body, dict) else {}, now=utc_now())
    named = actor.on_record
    await triggers.accept(
        store,
        bus,
        tenant_id,
        trigger,
        triggered_by=f"api:{named}" if named else "api",
        actor=named,
    )
    return PhaseTriggered(
        success=True, phase=phase, message=f"Phase {phase} orchestration triggered"
    )
