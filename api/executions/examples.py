"""Examples of executions, in both forms."""

from datetime import timedelta

from msgspec import structs

from api.documentation.requests import add_requests
from api.executions.documents import (
    Cancellation,
    ExecutionPage,
    NewExecution,
    document_of,
    summary_of,
)
from api.executions.workflow_documents import RetryInitiated, WorkflowList, workflow_of
from api.http.example_data import BEGIN, EVENT, EXECUTION_ID, OPPORTUNITY, STEP_RESULTS, TENANT
from blocks.contracts import analysis, ids
from blocks.contracts.records import ExecutionRecord, StepRecord, Trigger
from blocks.settings import Prefect

_RECORD = ExecutionRecord(
    id=EXECUTION_ID,
    tenant_id=TENANT,
    workflow=analysis.WORKFLOW,
    subject=OPPORTUNITY,
    status="completed",
    triggers=[
        Trigger(
            event_id=EVENT,
            event_type="integration.opportunity.updated",
            received_at=BEGIN,
            digest="",
        )
    ],
    trigger_ids=[EVENT],
    input={},
    created_at=BEGIN,
    started_at=BEGIN + timedelta(seconds=1),
    completed_at=BEGIN + timedelta(seconds=4),
    updated_at=BEGIN + timedelta(seconds=4),
    flow_run_id="019a3f0c-5d1e-7b2a-9c4d-6e8f01234567",
    results={step.result_key: STEP_RESULTS[step.name] for step in analysis.ANALYSIS_STEPS},
)

_STEPS = [
    StepRecord(
        id=ids.step_record_id(EXECUTION_ID, step.name),
        tenant_id=TENANT,
        execution_id=EXECUTION_ID,
        step=step.name,
        step_id=ids.step_id(EXECUTION_ID, step.name),
        status="completed",
        created_at=BEGIN + timedelta(seconds=3),
        completed_at=BEGIN + timedelta(seconds=3),
        result=STEP_RESULTS[step.name],
    )
    for step in analysis.ANALYSIS_STEPS
]

_PREFECT = Prefect(
    api_url="https://prefect.customer.example/api",
    ui_url="",
    ui_port=4200,
    work_pool="",
    notification_block="",
)

_STARTED = structs.replace(
    _RECORD,
    status="pending",
    triggers=[],
    trigger_ids=[],
    started_at=None,
    completed_at=None,
    updated_at=BEGIN,
    flow_run_id=None,
    results=None,
)

EXECUTION = document_of(_RECORD, _STEPS, _PREFECT)
STARTED_EXECUTION = document_of(_STARTED, [], _PREFECT)
EXECUTION_PAGE = ExecutionPage(items=[summary_of(_RECORD)], continuation="eyJhZnRlciI6IDUwfQ")
WORKFLOW = workflow_of(_RECORD, _STEPS)
WORKFLOW_LIST = WorkflowList(workflows=[WORKFLOW], total=1)
RETRY_INITIATED = RetryInitiated(workflow_id=EXECUTION_ID)
add_requests(
    NewExecution(
        workflow=analysis.WORKFLOW, subject=OPPORTUNITY, input={"amount": 1_250_000}, priority=5
    ),
    Cancellation(reason="the deal is lost"),
)
