"""An event passes one door.

Bytes arrive on the listener's queue. The router decodes them once, checks size, JSON, schema,
version and tenant, and gives the event to the handler of its type. The handler's effect is
durable before the message is acknowledged. What can never be accepted is rejected with a stable
code and becomes a dead letter with its original body. Behind this door there are typed events
only.

Code: `listeners/router.py`, where `EVENT_HANDLERS` is the table of handlers, and `decode_event`
in `blocks/contracts/envelope.py`.
"""

from functools import partial

from msgspec.structs import replace

from blocks.contracts.records import ExecutionRecord
from blocks.ports import Accept, Delivery, EventBus, Queue, RecordStore
from listeners.router import Router
from tests.support.factories import A_TENANT
from tests.support.system.analysis_services import foreign_event, opportunity_event
from tests.support.waiting import eventually

EVENTS = Queue(name="events", bindings=("#",))
EVENT = opportunity_event(A_TENANT, "opportunity-1", id="event-1")


async def test_what_is_accepted_is_done(bus: EventBus, store: RecordStore, router: Router) -> None:
    await bus.declare(EVENTS)
    await bus.publish(EVENT)

    async with bus.consume(EVENTS, router.handle):
        assert 1 == await eventually(partial(store.count, A_TENANT, ExecutionRecord))


async def test_a_refused_message_becomes_a_dead_letter(bus: EventBus, router: Router) -> None:
    await bus.declare(EVENTS)
    await bus.publish(replace(EVENT, body=b"no JSON"))

    async with bus.consume(EVENTS, router.handle):
        [letter] = await eventually(partial(bus.peek, EVENTS.dead_letters))

    assert (b"no JSON", "malformed-json") == (letter.body, letter.headers["x-reject-code"])


async def test_a_type_without_a_handler_has_no_effect(store: RecordStore, router: Router) -> None:
    foreign = foreign_event(A_TENANT, "invoice.paid", {"invoiceId": "i-1"}, id="event-2")

    assert Accept() == await router.handle(Delivery(message=foreign, queue="events"))
    assert 0 == await store.count(A_TENANT, ExecutionRecord)
