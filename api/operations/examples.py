"""Examples of operations."""

from datetime import timedelta

from api.documentation.requests import add_requests
from api.http.example_data import BEGIN, EVENT
from api.operations.documents import (
    Alert,
    Alerts,
    AlertsTaken,
    EventPage,
    EventPosted,
    MemoryUsage,
    NewEvent,
    OperationFigures,
    OperationList,
    OperationSchedule,
    OperationsHealth,
    OperationsStats,
    OperationState,
    OperationSummary,
    PlatformEvent,
    Run,
    RunAnswer,
    RunHistory,
    details_of,
    name_of,
)
from blocks.contracts import ids
from blocks.contracts.operations.catalogue import LOG_ROTATION
from blocks.settings import load_settings

_SETTINGS = load_settings({})
_NAME = name_of(LOG_ROTATION, _SETTINGS)
_STARTED = Run(
    run_id="run_1772442000000_0k3j9x2ab",
    workflow_id=LOG_ROTATION.id,
    execution_id=ids.execution_id(ids.SYSTEM_TENANT, LOG_ROTATION.id, EVENT),
    status="running",
    execution_status="pending",
    started_at=BEGIN,
    current_step="rotate-logs",
    step_results={},
)
_DONE = Run(
    run_id=_STARTED.run_id,
    workflow_id=_STARTED.workflow_id,
    execution_id=_STARTED.execution_id,
    status="completed",
    execution_status="completed",
    started_at=BEGIN,
    completed_at=BEGIN + timedelta(seconds=3),
    step_results={"rotate-logs": {"success": True, "logsRotated": 3}},
)
HEALTH = OperationsHealth(status="healthy", uptime=3600.5, workflows=[_NAME], timestamp=BEGIN)
WORKFLOWS = OperationList(
    workflows=[details_of(LOG_ROTATION, _SETTINGS)],
    schedules=[
        OperationSchedule(
            workflow_id=LOG_ROTATION.id, schedule=str(LOG_ROTATION.cron), time_zone="UTC"
        )
    ],
)
TRIGGERED = RunAnswer(success=True, result=_STARTED)
RUN = _DONE
STATE = OperationState(
    workflow=OperationSummary(
        id=_NAME.id,
        name=_NAME.name,
        schedule=_NAME.schedule,
        steps_count=len(LOG_ROTATION.steps),
    ),
    recent_runs=[_DONE],
    is_scheduled=True,
)
EVENTS = EventPage(
    events=[
        PlatformEvent(
            id="evt_1772442000000_a1b2c3d4e",
            type="cms.content.updated",
            payload={"serviceId": 123},
            timestamp=BEGIN,
            source="orchestrator",
        )
    ]
)
POSTED = EventPosted(
    success=True, event_type="cms.content.updated", id="evt_1772442000000_a1b2c3d4e"
)
STATS = OperationsStats(
    stats={
        LOG_ROTATION.id: OperationFigures(
            total_runs=31,
            successful_runs=30,
            failed_runs=1,
            average_duration_ms=2950.0,
            last_run_at=BEGIN,
            last_status="completed",
        )
    },
    uptime=3600.5,
    memory_usage=MemoryUsage(rss=182_000_000),
    timestamp=BEGIN,
)
HISTORY = RunHistory(history=[_DONE], timestamp=BEGIN)
ALERTS_TAKEN = AlertsTaken(success=True, processed=2, total=2)
add_requests(
    NewEvent(event_type="cms.content.updated", payload={"serviceId": 123}),
    Alerts(
        alerts=[
            Alert(
                labels={"alertname": "DiskAlmostFull", "severity": "warning"},
                annotations={"summary": "/var is 91 % full"},
                fingerprint="a1b2c3d4",
            )
        ]
    ),
)
