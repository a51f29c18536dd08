"""An event as a client that follows receives it."""

from datetime import timedelta

from api.http.example_data import BEGIN, EXECUTION_ID, OPPORTUNITY, STEP_RESULTS, TENANT
from api.live.events import LiveEvent
from blocks.contracts import analysis, ids

LIVE_EVENT = LiveEvent(
    event_id=ids.step_completed_event_id(EXECUTION_ID, "forecast"),
    type="workflow.step.completed",
    timestamp=BEGIN + timedelta(seconds=3),
    tenant_id=TENANT,
    execution_id=EXECUTION_ID,
    workflow=analysis.WORKFLOW,
    subject=OPPORTUNITY,
    data={
        "workflowId": EXECUTION_ID,
        "stepId": ids.step_id(EXECUTION_ID, "forecast"),
        "stepType": "forecast",
        "result": STEP_RESULTS["forecast"],
    },
)
