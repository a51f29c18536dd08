"""A dead letter is kept and replayed.

A message that was refused, or failed too often, leaves its queue and becomes a record of the
tenant that its body names, with the reason and the original body. A person looks at it, edits it
if it is wrong, and replays or discards it; each act is an entry in its history. A replay
publishes the message into its queue under the same message id, so whoever has handled it before
does nothing twice.

Code: `listeners/dead_letters.py` collects, `blocks/dead_letters/letters.py` keeps, edits and
replays.
"""

from msgspec.structs import replace

from blocks.contracts.records import ExecutionRecord
from blocks.contracts.records.dead_letters import Who
from blocks.dead_letters import letters
from blocks.ports import EventBus, Queue, RecordStore
from listeners.dead_letters import collectors
from listeners.router import Router
from tests.support.dead_letters import letters_become
from tests.support.factories import A_TENANT
from tests.support.system.analysis_services import opportunity_event
from tests.support.waiting import eventually

EVENTS = Queue(name="events", bindings=("integration.#",))
RIGHT = opportunity_event(A_TENANT, "opportunity-1", id="event-1")
WRONG = replace(RIGHT, body=RIGHT.body.replace(b"opportunity-1", b""))
ANN = Who("ann", "cli")


async def test_what_was_refused_is_edited_replayed_and_accepted(
    bus: EventBus, store: RecordStore, router: Router
) -> None:
    async def accepted() -> int:
        return await store.count(A_TENANT, ExecutionRecord, {"subject": "opportunity-1"})

    await bus.declare(EVENTS)
    await bus.publish(WRONG)
    [collector] = collectors(store, bus, [EVENTS])
    async with bus.consume(EVENTS, router.handle), collector:
        [letter] = await letters_become(store, 1, A_TENANT)
        assert ("waiting", "schema-invalid") == (letter.status, letter.code)
        assert WRONG.body == letters.content_of(await letters.read_body(store, letter))

        kept = await letters.read(store, A_TENANT, letter.id)
        edited = await letters.edit(store, kept, RIGHT.body, ANN)
        replayed = await letters.replay(store, bus, edited, ANN)
        assert 1 == await eventually(accepted)

    assert ("replayed", WRONG.id) == (replayed.record.status, replayed.record.message_id)
    history = [entry.what for entry in replayed.record.history]
    assert ["refused", "edited", "replaying", "replayed"] == history


async def test_a_letter_that_is_collected_twice_is_kept_once(store: RecordStore) -> None:
    refused = replace(WRONG, headers={"x-rejected-at": WRONG.timestamp.isoformat()})

    first = await letters.keep(store, EVENTS.name, refused)
    second = await letters.keep(store, EVENTS.name, refused)

    assert first == second
