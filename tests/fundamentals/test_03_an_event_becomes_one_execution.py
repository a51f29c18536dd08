"""An event becomes one execution.

A table states which event type triggers which workflow, for which subject and with what input.
The id of the execution is computed from tenant, workflow and event id. A broker delivers at least
once, so the same event may come twice: the second create conflicts with the first, which means
"seen before", and the message is acknowledged. Ids that are computed from their cause make a
repetition harmless.

Code: `TRIGGERS` in `listeners/triggers/table.py`, `listeners/triggers/intake.py`,
`blocks/contracts/ids.py`.
"""

import asyncio

from blocks.contracts import ids, rejections
from blocks.contracts.analysis import WORKFLOW
from blocks.contracts.records import ExecutionRecord
from blocks.ports import Accept, Delivery, RecordStore, Reject
from listeners.router import Router
from tests.support.factories import A_TENANT
from tests.support.system.analysis_services import opportunity_event

EVENT = opportunity_event(A_TENANT, "opportunity-1", id="event-1", amount=250_000)
DELIVERY = Delivery(message=EVENT, queue="events")


async def test_an_execution_names_cause_and_subject(router: Router, store: RecordStore) -> None:
    await router.handle(DELIVERY)

    computed_id = ids.execution_id(A_TENANT, WORKFLOW, EVENT.id)
    execution = (await store.read(A_TENANT, ExecutionRecord, computed_id)).record
    assert ("pending", "opportunity-1") == (execution.status, execution.subject)
    assert ([EVENT.id], 250_000) == (execution.trigger_ids, execution.input["amount"])


async def test_many_deliveries_become_one_execution(router: Router, store: RecordStore) -> None:
    verdicts = await asyncio.gather(*(router.handle(DELIVERY) for _ in range(10)))

    assert [Accept()] * 10 == verdicts
    assert 1 == await store.count(A_TENANT, ExecutionRecord)


async def test_another_event_under_the_same_id_is_refused(router: Router) -> None:
    await router.handle(DELIVERY)
    other = opportunity_event(A_TENANT, "opportunity-1", id="event-1", amount=999_999)

    verdict = await router.handle(Delivery(message=other, queue="events"))

    assert isinstance(verdict, Reject)
    assert rejections.ID_REUSE == verdict.code
