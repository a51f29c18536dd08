"""A step is recorded once.

A step asks another service by an event and ends with its answer, its failure, or at its deadline,
whichever comes first. The step record has a computed id and is created, never replaced: the first
to create it decides how the step ended, and everyone else reads what was decided. An answer is
matched to its execution by its `workflowId`; without one, by its opportunity.

Code: `listeners/answers/steps.py` matches the answer, `blocks/executions/steps.py` records the
step.
"""

from blocks.contracts.records import ExecutionRecord
from blocks.executions.steps import record_step, step_records
from blocks.ports import Delivery, RecordStore, Retry
from listeners.router import Router
from tests.support.factories import A_TENANT, an_execution, new_id
from tests.support.system.analysis_services import foreign_event

STEP = "risk_analysis"


async def answer(router: Router, event_id: str, score: float, **about: str) -> object:
    """The risk service answers; returns the router's verdict."""
    data = {"riskScore": score, **about}
    message = foreign_event(A_TENANT, "risk.evaluation.completed", data, id=event_id)
    return await router.handle(Delivery(message=message, queue="events"))


async def running(store: RecordStore) -> ExecutionRecord:
    return (await store.create(A_TENANT, an_execution(status="running"))).record


async def test_the_first_answer_counts(router: Router, store: RecordStore) -> None:
    execution = await running(store)

    await answer(router, "answer-1", 0.9, workflowId=execution.id)
    await answer(router, "answer-2", 0.1, workflowId=execution.id)

    [step] = await step_records(store, A_TENANT, [execution.id])
    assert step.result
    assert (STEP, "completed", 0.9) == (step.step, step.status, step.result["riskScore"])


async def test_who_comes_second_reads_what_was_decided(router: Router, store: RecordStore) -> None:
    execution = await running(store)
    await answer(router, "answer-1", 0.9, workflowId=execution.id)

    at_the_deadline = await record_step(store, execution, STEP, error="no answer came in time")

    assert [at_the_deadline] == await step_records(store, A_TENANT, [execution.id])
    assert "completed" == at_the_deadline.status


async def test_an_answer_is_matched_by_its_opportunity(router: Router, store: RecordStore) -> None:
    execution = await running(store)

    await answer(router, "answer-1", 0.9, opportunityId=execution.subject)

    assert [STEP] == [step.step for step in await step_records(store, A_TENANT, [execution.id])]


async def test_an_answer_that_precedes_its_execution_is_retried(router: Router) -> None:
    assert isinstance(await answer(router, "answer-1", 0.9, workflowId=new_id()), Retry)
