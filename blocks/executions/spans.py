"""Spans made from records, and sent over OTLP: https://opentelemetry.io/docs/specs/otlp/

Apart from `blocks.executions.tracing`, so that only processes that trace pay for importing the SDK.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import SpanContext, SpanKind, Status, StatusCode, TraceFlags

from blocks.contracts import traces
from blocks.contracts.envelope import SERVICE
from blocks.contracts.records import ApprovalRecord, ExecutionRecord, StepRecord
from blocks.contracts.traces import TraceContext
from blocks.executions.steps import step_records
from blocks.ports import RecordStore
from blocks.queries import every


class Tracer:
    """Sends spans in the background in batches. An unavailable collector costs only spans."""

    def __init__(self, endpoint: str, process: str) -> None:
        self._resource = Resource.create({"service.name": SERVICE, "service.component": process})
        self._processor = BatchSpanProcessor(OTLPSpanExporter(f"{endpoint.rstrip('/')}/v1/traces"))
        self.provider = TracerProvider(resource=self._resource)
        self.provider.add_span_processor(self._processor)

    async def export(self, store: RecordStore, ended: Sequence[ExecutionRecord]) -> None:
        """The traces of these executions are on their way. Raises `Unavailable`."""
        for tenant_id in {execution.tenant_id for execution in ended}:
            await self._export(
                store, tenant_id, {one.id: one for one in ended if one.tenant_id == tenant_id}
            )

    async def _export(
        self, store: RecordStore, tenant_id: str, ended: Mapping[str, ExecutionRecord]
    ) -> None:
        steps, approvals = (
            defaultdict[str, list[StepRecord]](list),
            defaultdict[str, list[ApprovalRecord]](list),
        )
        for step in await step_records(store, tenant_id, list(ended)):
            steps[step.execution_id].append(step)
        async for stored in every(store, tenant_id, ApprovalRecord, {"execution_id": tuple(ended)}):
            approvals[stored.record.execution_id or ""].append(stored.record)
        for id, execution in ended.items():
            for span in spans_of(execution, steps[id], approvals[id], self._resource):
                self._processor.on_end(span)


def spans_of(
    execution: ExecutionRecord,
    steps: Iterable[StepRecord],
    approvals: Iterable[ApprovalRecord],
    resource: Resource,
) -> list[ReadableSpan]:
    """The execution, how long it waited for a worker, its steps and the approvals it waited for, in
    this try.
    """
    begun, ended = execution.waiting_since, execution.completed_at or execution.updated_at
    started = execution.started_at or ended
    cause = traces.cause_of(execution)
    whole = _span(
        execution,
        "execution",
        execution.workflow,
        (begun, ended),
        resource,
        kind=SpanKind.CONSUMER,
        parent=_remote(cause) if cause else None,
        error=execution.error if execution.status != "completed" else None,
        subject=execution.subject,
        status=execution.status,
        flow_run=execution.flow_run_id or "",
    )
    parts = [_span(execution, "dispatch", "wait for a worker", (begun, started), resource)]
    parts += [
        _span(
            execution,
            step.step,
            step.step,
            (started, step.completed_at),
            resource,
            kind=SpanKind.CLIENT,
            error=step.error,
        )
        for step in steps
        if step.retry == execution.retries
    ]
    parts += [
        _span(
            execution,
            f"approval {approval.id}",
            "approval",
            (approval.requested_at, approval.decided_at or ended),
            resource,
            approval=approval.id,
            status=approval.status,
            channel=approval.decided_through or "",
        )
        for approval in approvals
        if approval.retry == execution.retries
    ]
    return [whole, *parts]


def _span(
    execution: ExecutionRecord,
    part: str,
    name: str,
    lasted: tuple[datetime, datetime],
    resource: Resource,
    *,
    kind: SpanKind = SpanKind.INTERNAL,
    parent: SpanContext | None = None,
    error: str | None = None,
    **attributes: str,
) -> ReadableSpan:
    """A span of this execution, by default below the execution's own."""
    if part != "execution":
        parent = _local(traces.of_execution(execution))
    begun, ended = lasted
    return ReadableSpan(
        name,
        context=_local(traces.of_part(execution, part)),
        parent=parent,
        resource=resource,
        kind=kind,
        attributes={"tenant.id": execution.tenant_id, "execution.id": execution.id, **attributes},
        status=Status(StatusCode.ERROR, error) if error else Status(StatusCode.OK),
        start_time=_nanoseconds(begun),
        end_time=_nanoseconds(max(begun, ended)),
    )


def _local(context: TraceContext) -> SpanContext:
    return SpanContext(
        int(context.trace_id, 16),
        int(context.span_id, 16),
        is_remote=False,
        trace_flags=TraceFlags(TraceFlags.SAMPLED),
    )


def _remote(context: TraceContext) -> SpanContext:
    return SpanContext(int(context.trace_id, 16), int(context.span_id, 16), is_remote=True)


def _nanoseconds(moment: datetime) -> int:
    return int(moment.timestamp() * 1_000_000) * 1000
