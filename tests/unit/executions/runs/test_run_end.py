"""The end of a run that was started with odd parameters, as a person may have typed them."""

from blocks.contracts.analysis import WORKFLOW
from blocks.ports import EventBus, RecordStore
from blocks.settings import load_settings
from flows.shared.run_end import MESSAGE_MAX, end_of_run, refused
from flows.shared.runtime import Runtime
from tests.support.factories import A_TENANT, an_execution
from tests.support.flow_runs import RememberedFlowRuns


async def test_an_execution_that_is_named_twice_counts_once(
    store: RecordStore, bus: EventBus
) -> None:
    context = Runtime(load_settings({}), bus, store, RememberedFlowRuns())
    execution = await store.create(A_TENANT, an_execution(status="cancelled", error="sold"))
    id = execution.record.id

    state = await end_of_run(context, A_TENANT, [id, id], [execution], workflow=WORKFLOW)

    assert f"sold (execution {id})" == state.message


def test_a_refusal_is_one_plain_line_whatever_it_quotes() -> None:
    message = refused("a\x00\n\x1b[31m" + "x" * 100_000).state.message or ""

    assert message.startswith("a\\x00\\n\\x1b[31m")
    assert message.isprintable()
    assert len(message) == MESSAGE_MAX
