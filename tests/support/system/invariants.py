"""What must hold once a set of events has been worked off, whatever was killed meanwhile."""

from collections import defaultdict
from collections.abc import Sequence

from blocks.contracts.records import ExecutionRecord
from blocks.ports import Message
from blocks.queries import every
from blocks.topology import intake_queue
from tests.support.factories import A_TENANT
from tests.support.system.ledger import REQUESTED, TERMINAL, Ledger
from tests.support.system.orchestra import Orchestra
from tests.support.waiting import eventually


async def done_once(
    parts: Orchestra, ledger: Ledger, events: Sequence[Message], *, tenant_id: str = A_TENANT
) -> list[ExecutionRecord]:
    """The executions of these events of the tenant: each event is in exactly one, and all of the
    following hold.

    Each execution has ended, and exactly one end of it was announced. Of each step, one request was
    made. Whatever was published more than once was published under the same id in the same words.
    The intake queue is empty.
    """
    executions = await _executions_of(parts, events, tenant_id)
    assert sorted(event.id for event in events) == sorted(
        id for one in executions for id in one.trigger_ids
    )
    assert [] == [execution.id for execution in executions if not execution.is_terminal]
    for execution in executions:
        await _announced_once(ledger, execution)
    assert {} == ledger.second_ids()
    assert [] == ledger.second_wordings()

    async def queue_is_empty() -> bool:
        return await parts.bus.depth(intake_queue(parts.settings).name) == 0

    await eventually(queue_is_empty)
    return executions


async def _executions_of(
    parts: Orchestra, events: Sequence[Message], tenant_id: str
) -> list[ExecutionRecord]:
    wanted = {event.id for event in events}
    return [
        stored.record
        async for stored in every(parts.store, tenant_id, ExecutionRecord, {})
        if wanted.intersection(stored.record.trigger_ids)
    ]


async def _announced_once(ledger: Ledger, execution: ExecutionRecord) -> None:
    """Exactly one end, which is that of the record, and four requests, each under one id."""
    published: dict[str, set[str]] = defaultdict(set)

    async def end_is_published() -> bool:
        published.clear()
        for event in ledger.of(*TERMINAL, *REQUESTED):
            if event["data"].get("workflowId") == execution.id:
                published[event["type"]].add(event["id"])
        return any(type in published for type in TERMINAL)

    await eventually(end_is_published)
    end = TERMINAL[0] if execution.status == "completed" else TERMINAL[1]
    assert dict.fromkeys((end, *REQUESTED), 1) == {
        type: len(ids) for type, ids in published.items()
    }
