"""A pending execution absorbs events.

An opportunity may change ten times in a minute. While an execution of the same subject is
pending, a further event is added to it: its id joins the triggers, and its data is merged into
the input. So a burst of events costs one execution, which starts with the newest state. Once a
flow run has claimed the execution its input no longer changes, and the next event opens another
one.

Code: `Intake.open` in `listeners/triggers/intake.py`.
"""

from blocks.contracts.analysis import WORKFLOW
from blocks.contracts.records import ExecutionRecord
from blocks.ports import Delivery, Query, RecordStore
from flows.shared.claims import claim
from listeners.router import Router
from tests.support.factories import A_TENANT
from tests.support.system.analysis_services import opportunity_event


async def handle(router: Router, event_id: str, subject: str, amount: int) -> None:
    event = opportunity_event(A_TENANT, subject, id=event_id, amount=amount)
    await router.handle(Delivery(message=event, queue="events"))


async def executions(store: RecordStore) -> list[ExecutionRecord]:
    """The oldest first."""
    page = await store.query(A_TENANT, Query(ExecutionRecord, newest_first=False))
    return [stored.record for stored in page.items]


async def test_a_burst_of_events_costs_one_execution(router: Router, store: RecordStore) -> None:
    for amount in (100, 200, 300):
        await handle(router, f"event-{amount}", "opportunity-1", amount)

    [execution] = await executions(store)
    assert (3, 300) == (len(execution.trigger_ids), execution.input["amount"])


async def test_another_subject_gets_its_own_execution(router: Router, store: RecordStore) -> None:
    await handle(router, "event-1", "opportunity-1", 100)
    await handle(router, "event-2", "opportunity-2", 200)

    assert ["opportunity-1", "opportunity-2"] == [one.subject for one in await executions(store)]


async def test_a_claimed_execution_absorbs_nothing(router: Router, store: RecordStore) -> None:
    await handle(router, "event-1", "opportunity-1", 100)
    [first] = await executions(store)
    await claim(store, A_TENANT, first.id, "flow-run-1", workflow=WORKFLOW)

    await handle(router, "event-2", "opportunity-1", 200)

    assert ["running", "pending"] == [one.status for one in await executions(store)]
    assert [100, 200] == [one.input["amount"] for one in await executions(store)]
