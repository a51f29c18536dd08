"""Events that tenants can follow, and settings for what sends them."""

from typing import Any

from msgspec.structs import replace

from blocks.contracts import ids
from blocks.contracts.about import About
from blocks.contracts.envelope import Event
from blocks.contracts.events import EventData, StepCompleted
from blocks.contracts.records import ExecutionRecord
from blocks.messages import to_message
from blocks.ports import Message
from blocks.settings import Live, load_settings
from tests.support.factories import A_TENANT, an_execution, new_id, now


def live_settings(**changes: Any) -> Live:
    return replace(load_settings({}).live, **changes)


def event_message(
    data: EventData, execution: ExecutionRecord | None = None, tenant_id: str = A_TENANT
) -> Message:
    """An event of ours as it goes over the bus, about this execution."""
    about = About.execution(execution) if execution else About()
    return to_message(
        Event(id=new_id(), tenant_id=tenant_id, timestamp=now(), about=about, data=data)
    )


def a_step_event(
    execution: ExecutionRecord | None = None, tenant_id: str = A_TENANT, **changes: Any
) -> Message:
    """That a step of the execution has its result."""
    execution = execution or an_execution(tenant_id=tenant_id)
    step = StepCompleted(
        workflow_id=execution.id,
        step_id=ids.step_id(execution.id, "forecast"),
        step_type="forecast",
        result={},
    )
    return event_message(replace(step, **changes), execution, execution.tenant_id)


def step_events(count: int, tenant_id: str = A_TENANT, **changes: Any) -> list[Message]:
    return [a_step_event(tenant_id=tenant_id, **changes) for _ in range(count)]
