"""A job trigger needs the queue of the batch worker that carries the job out, on either bus."""

import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from blocks.ports import EventBus, Message, Unroutable
from blocks.services import open_bus
from blocks.settings import Settings, load_settings
from blocks.topology import batch_jobs_queue, cais_batch_jobs_queue, topology
from tests.support.factories import new_id, now


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return load_settings({"ORCHESTRATOR_DATA_DIR": str(tmp_path)})


@pytest.fixture
async def bus(settings: Settings) -> AsyncIterator[EventBus]:
    async with open_bus(settings, "test") as bus:
        yield bus


def a_trigger(job: object) -> Message:
    body = json.dumps({"data": {"job": job}}).encode()
    return Message(id=new_id(), routing_key="workflow.job.trigger", body=body, timestamp=now())


async def test_the_other_workers_queue_does_not_count(bus: EventBus, settings: Settings) -> None:
    own, other = batch_jobs_queue(settings), cais_batch_jobs_queue(settings)
    await bus.declare(other)

    await bus.publish(a_trigger("cais-learning"), required=True)
    with pytest.raises(Unroutable, match="there is no queue bi_batch_jobs"):
        await bus.publish(a_trigger("outcome-sync"), required=True)

    assert 1 == await bus.depth(other.name)
    await bus.declare(own)
    await bus.publish(a_trigger("outcome-sync"), required=True)
    assert 1 == await bus.depth(own.name)


@pytest.mark.parametrize("job", ["unknown", 7])
async def test_what_names_no_job_needs_any_queue(
    bus: EventBus, settings: Settings, job: object
) -> None:
    with pytest.raises(Unroutable, match=r"workflow\.job\.trigger"):
        await bus.publish(a_trigger(job), required=True)
    await bus.declare(cais_batch_jobs_queue(settings))
    await bus.publish(a_trigger(job), required=True)


def test_the_queue_of_adaptive_learning_is_declared_where_its_job_is_enabled() -> None:
    names = {queue.name for queue in topology(load_settings({}))}
    enabled = {queue.name for queue in topology(load_settings({"CAIS_LEARNING_ENABLED": "true"}))}

    assert {"cais_batch_jobs"} == enabled - names
    assert names < enabled
