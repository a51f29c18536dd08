"""Traces: computed contexts, and the spans that the records of an execution give."""

from datetime import timedelta

import pytest
from msgspec.structs import replace
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.trace import StatusCode

from blocks.contracts import traces
from blocks.contracts.records import ApprovalRecord, ExecutionRecord, StepRecord
from blocks.contracts.traces import TraceContext
from blocks.executions.spans import spans_of
from tests.support.factories import a_step, an_approval, an_execution, now

CAUSE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


def spans(
    execution: ExecutionRecord,
    steps: tuple[StepRecord, ...] = (),
    approvals: tuple[ApprovalRecord, ...] = (),
) -> dict[str, ReadableSpan]:
    return {span.name: span for span in spans_of(execution, steps, approvals, Resource.get_empty())}


def caused_by(traceparent: str) -> ExecutionRecord:
    execution = an_execution(
        status="completed", started_at=now(), completed_at=now() + timedelta(seconds=3)
    )
    return replace(execution, triggers=[replace(execution.triggers[0], traceparent=traceparent)])


def test_an_execution_goes_on_with_the_trace_of_its_event() -> None:
    assert "0af7651916cd43dd8448eb211c80319c" == caused_by(CAUSE).trace_id
    [whole, *_] = spans(caused_by(CAUSE)).values()
    assert whole.parent is not None
    assert 0xB7AD6B7169203331 == whole.parent.span_id


def test_an_event_without_a_trace_begins_one_that_is_the_same_whoever_computes_it() -> None:
    execution = an_execution()
    assert 32 == len(execution.trace_id)
    assert execution.trace_id == replace(execution, status="running").trace_id
    assert execution.trace_id != an_execution().trace_id


@pytest.mark.parametrize(
    "nonsense", ["", "00-0-0-01", "00-" + "0" * 32 + "-b7ad6b7169203331-01", CAUSE.upper(), "é"]
)
def test_a_traceparent_that_is_not_w3cs_is_ignored(nonsense: str) -> None:
    assert TraceContext.parse(nonsense) is None


def test_a_context_reads_as_it_was_written() -> None:
    assert CAUSE == str(TraceContext.parse(CAUSE))


def test_steps_and_approvals_are_spans_below_their_executions() -> None:
    execution = caused_by(CAUSE)
    step = a_step(execution_id=execution.id, step="forecast")
    exported = spans(execution, (step,), (an_approval(execution_id=execution.id),))
    whole = exported[execution.workflow]
    assert {execution.workflow, "wait for a worker", "forecast", "approval"} == set(exported)
    assert whole.context is not None
    for name in ("wait for a worker", "forecast", "approval"):
        parent = exported[name].parent
        assert parent is not None
        assert whole.context.span_id == parent.span_id


def test_a_request_carries_the_context_of_the_span_that_is_exported_later() -> None:
    execution = caused_by(CAUSE)
    exported = spans(execution, (a_step(execution_id=execution.id, step="forecast"),))[
        "forecast"
    ].context
    assert exported is not None
    assert traces.of_part(execution, "forecast").span_id == f"{exported.span_id:016x}"


def test_a_retry_has_spans_of_its_own() -> None:
    execution = an_execution(status="failed", completed_at=now())
    assert traces.of_execution(execution) != traces.of_execution(
        replace(execution, previous_outcomes=[object()])
    )


def test_a_failed_execution_is_a_failed_span() -> None:
    execution = an_execution(status="failed", completed_at=now(), error="no answer")
    assert StatusCode.ERROR == spans(execution)[execution.workflow].status.status_code
