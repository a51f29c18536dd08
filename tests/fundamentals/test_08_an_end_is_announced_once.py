"""An end is announced once.

The record becomes terminal first; then the terminal event is published, and when the broker has
confirmed it `announcedAt` is written. A process may die between any two of these: the record
shows what is still due, and whoever announces it computes the same event, with the same id and
body, from the record alone. So a consumer can recognise a repetition by the message id.

Code: `announce` in `blocks/executions/transitions.py`; after a crash
`api/reconciler/kinds/unannounced.py`.
"""

import json

from blocks.contracts import ids
from blocks.contracts.records import ExecutionRecord
from blocks.executions import transitions
from blocks.ports import EventBus, Message, Queue, RecordStore, Stored
from tests.support.factories import A_TENANT, an_execution

ENDS = Queue(name="ends", bindings=("workflow.opportunity.analysis.*",))


async def an_end(bus: EventBus, store: RecordStore) -> Stored[ExecutionRecord]:
    """A completed execution, not announced yet; what is published from now on waits in `ENDS`."""
    await bus.declare(ENDS)
    running = await store.create(A_TENANT, an_execution(status="running"))
    return await transitions.complete(store, running, results={"risk": {"riskScore": 0.4}})


async def announced(bus: EventBus) -> list[Message]:
    return await bus.peek(ENDS.name)


async def test_the_terminal_event_names_the_execution(bus: EventBus, store: RecordStore) -> None:
    completed = await an_end(bus, store)

    await transitions.announce(store, bus, [completed])

    [message] = await announced(bus)
    assert "workflow.opportunity.analysis.completed" == message.routing_key
    assert ids.terminal_event_id(completed.record.id) == message.id
    assert completed.record.id == json.loads(message.body)["data"]["workflowId"]


async def test_an_announced_end_is_not_published_again(bus: EventBus, store: RecordStore) -> None:
    completed = await an_end(bus, store)
    await transitions.announce(store, bus, [completed])

    now = await store.read(A_TENANT, ExecutionRecord, completed.record.id)
    await transitions.announce(store, bus, [now])

    assert now.record.announced_at
    assert 1 == len(await announced(bus))


async def test_after_a_crash_the_same_event_is_published(bus: EventBus, store: RecordStore) -> None:
    """As if the process had died after the broker's confirmation, before it wrote `announcedAt`."""
    completed = await an_end(bus, store)
    await transitions.announce(store, bus, [completed])
    await transitions.announce(store, bus, [completed])

    first, second = await announced(bus)
    assert (first.id, first.body) == (second.id, second.body)
