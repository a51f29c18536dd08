"""The registry knows every workflow.

A workflow is a plain Prefect flow and one entry in the registry: its name, what its subject is,
its steps, which acts are possible, and the event that announces an end. Whatever needs to know
"which workflow?" asks the registry: dispatch, claims, announcements, the API's lists, metrics. So
a new workflow is an entry and a flow; docs/add-a-workflow.md leads through it.

Code: `blocks/contracts/workflows.py`. `prefect.yaml` has the deployments; a test holds the two
together.
"""

import pytest

from blocks.contracts import workflows
from blocks.contracts.records import ExecutionRecord
from blocks.contracts.workflows import WORKFLOWS, UnknownWorkflow, workflow_named
from blocks.executions import transitions
from blocks.ports import RecordStore
from flows.shared.claims import claim
from tests.support.factories import A_TENANT, an_execution, now


def test_an_entry_states_what_a_workflow_is_about_and_which_acts_are_possible() -> None:
    analysis = workflow_named("opportunity-analysis")

    assert ("opportunity", 4) == (analysis.subject, len(analysis.steps))
    assert set(analysis.critical_steps) <= set(analysis.steps)
    assert (True, True) == (analysis.startable, analysis.retryable)


def test_a_batch_job_is_started_by_its_schedule_and_not_dispatched() -> None:
    assert not workflow_named("batch-job").dispatched
    assert "batch-job" not in workflows.dispatched()


def test_an_unknown_name_is_refused_with_the_names_there_are() -> None:
    with pytest.raises(UnknownWorkflow, match="opportunity-analysis"):
        workflow_named("opportunity_analysis")


@pytest.mark.parametrize("name", WORKFLOWS)
def test_the_terminal_event_is_computed_from_the_record(name: str) -> None:
    of_a_journey = {"userId": "user-1", "syncId": "sync-1"}
    ended = an_execution(
        workflow=name,
        status="failed",
        error="no answer",
        completed_at=now(),
        input=of_a_journey if name == "claim-recovery" else {},
    )

    event = transitions.terminal_event(ended)

    assert isinstance(event.data, workflow_named(name).terminal_events)
    assert event == transitions.terminal_event(ended)


async def test_a_flow_refuses_an_execution_of_another_workflow(store: RecordStore) -> None:
    other = (await store.create(A_TENANT, an_execution(workflow="another-workflow"))).record

    assert None is await claim(store, A_TENANT, other.id, "run-1", workflow="opportunity-analysis")
    assert other == (await store.read(A_TENANT, ExecutionRecord, other.id)).record
