"""A step has one `stepId`, a UUID, on the wire and on its record, beside the key of the record."""

from pathlib import Path
from uuid import UUID

import msgspec
import pytest

from blocks.contracts import ids
from blocks.contracts.analysis import ANALYSIS_STEPS, WORKFLOW
from blocks.contracts.jobs import REPORT_STEP, TRIGGER_STEP
from blocks.contracts.records import StepRecord
from blocks.executions.steps import record_step
from tests.support.api.api_client import an_api
from tests.support.factories import a_step, an_execution

NAMES = [*(step.name for step in ANALYSIS_STEPS), TRIGGER_STEP, REPORT_STEP]


@pytest.mark.parametrize("name", NAMES)
def test_a_step_id_is_a_uuid_and_the_same_in_every_try(name: str) -> None:
    execution = an_execution()

    step_id = ids.step_id(execution.id, name)

    assert step_id == str(UUID(step_id))
    keys = {ids.step_record_id(execution.id, name, retry) for retry in range(3)}
    assert 3 == len(keys)
    assert step_id not in keys


@pytest.mark.parametrize("stated", [{}, {"stepId": ""}])
def test_a_record_without_a_step_id_is_read_with_the_one_it_has(stated: dict[str, str]) -> None:
    step = a_step(step="forecast")
    stored = msgspec.to_builtins(step)
    del stored["stepId"]

    read = msgspec.convert({**stored, **stated}, StepRecord)

    assert ids.step_id(step.execution_id, "forecast") == read.step_id
    assert read == msgspec.json.decode(msgspec.json.encode(read), type=StepRecord)


def test_a_step_id_that_is_there_stays() -> None:
    step = a_step(step="forecast")

    assert step == msgspec.convert(msgspec.to_builtins(step), StepRecord)


async def test_a_step_has_the_same_id_wherever_it_is_seen(tmp_path: Path) -> None:
    execution = an_execution(workflow=WORKFLOW, status="running")
    async with an_api(tmp_path) as api:
        await api.holds(execution)
        record = await record_step(api.store, execution, "forecast", result={"confidence": 1})
        workflow = (await api.get(f"/api/v1/workflows/{execution.id}")).json()
        document = (await api.get(f"/api/v1/executions/{execution.id}")).json()

    expected = {step.name: ids.step_id(execution.id, step.name) for step in ANALYSIS_STEPS}
    assert expected["forecast"] == record.step_id == msgspec.to_builtins(record)["stepId"]
    assert expected == {step["stepType"]: step["stepId"] for step in workflow["steps"]}
    assert expected == {step["step"]: step["stepId"] for step in document["steps"]}
