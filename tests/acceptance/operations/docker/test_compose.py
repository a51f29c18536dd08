"""compose.yaml on a Docker engine: the whole system in containers, several of each, updated and
killed under load.
"""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest

from blocks.contracts.ids import SYSTEM_TENANT
from blocks.contracts.operations.catalogue import DATABASE_BACKUP
from blocks.contracts.records import ExecutionRecord
from blocks.ports import EventBus, Message, Query, RecordStore, Unavailable
from blocks.queries import every
from blocks.services import open_bus, open_store
from blocks.topology import intake_queue
from tests.support.analyses import an_opportunity
from tests.support.factories import A_TENANT
from tests.support.operations.docker_engine import DockerEngine
from tests.support.operations.orchestrator_image import IMAGE, build_image
from tests.support.scale.compose import OURS, ComposedSystem
from tests.support.scale.images import build_service_images
from tests.support.scale.older_source import unpack_older_source
from tests.support.system.audit import Books, audit
from tests.support.system.ledger import Ledger, identity, ledger_of
from tests.support.waiting import eventually

pytestmark = [pytest.mark.slow, pytest.mark.docker]

OLDER_IMAGE = "workflow-orchestrator:older"
API = "workflow-orchestrator"
SCALE = {API: 2, "listener": 2, "worker": 3, "prefect-server": 2}
KILLED = (API, "listener", "worker", "prefect-server", "prefect", "redis", "postgres", "rabbitmq")
ENDED_SECONDS = 240.0
SIMULATED = "http://simulators:8030"


@pytest.fixture(scope="module")
def system(
    engine: DockerEngine, request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[ComposedSystem]:
    """The older version of our part of the system runs, with simulated services."""
    cache: Path = request.config.cache.mkdir("docker")
    folder = tmp_path_factory.mktemp("compose")
    source = unpack_older_source(folder)
    if source is None:
        pytest.skip("this checkout has no history to take an older version from")
    build_service_images(engine)
    build_image(engine, cache, OLDER_IMAGE, source)
    settings = {
        "INTEGRATIONS_URL": SIMULATED,
        "PYTHON_API_URL": SIMULATED,
        "OPERATIONS_ENABLED": "false",  # no schedule starts one: a backup runs when it is requested
    }
    system = ComposedSystem(engine, folder, ORCHESTRATOR_IMAGE=OLDER_IMAGE, **settings)
    scale = [f"--scale={service}={count}" for service, count in SCALE.items()]
    try:
        system.compose("--profile", "demo", "up", "--detach", "--no-build", *scale)
        yield system
    finally:
        system.close()


async def test_the_whole_system_is_healthy_unprivileged_and_read_only(
    system: ComposedSystem,
) -> None:
    await system.healthy()

    assert SCALE == {service: len(system.containers(service)) for service in SCALE}
    # Healthy is alive, and not yet ready.
    await eventually(lambda: is_ready(system), within_seconds=ENDED_SECONDS)
    for service in OURS:
        for shown in system.inspected(service):
            host = shown["HostConfig"]
            assert ("orchestrator", True, ["ALL"], ["no-new-privileges:true"]) == (
                shown["Config"]["User"],
                host["ReadonlyRootfs"],
                host["CapDrop"],
                host["SecurityOpt"],
            )


async def is_ready(system: ComposedSystem) -> bool:
    return await system.api_answers() == [200, 200]


async def test_nothing_is_lost_by_an_update_and_the_death_of_a_container_of_each_kind(
    system: ComposedSystem,
) -> None:
    async with (
        open_bus(system.settings, "tests") as bus,
        open_store(system.settings) as store,
        ledger_of(bus, "compose", identity) as ledger,
    ):
        events: list[Message] = []
        async with load(bus, events):
            await ends(store, events)
            system.use(ORCHESTRATOR_IMAGE=IMAGE)
            await asyncio.to_thread(system.update)
            await ends(store, events)

            claims = begun(system, "demo", "claims", "--answer", "confirm", "--timeout", "300")
            backup = begun(system, "workflows", "trigger", DATABASE_BACKUP.id)
            for service in KILLED:
                system.crash(system.containers(service)[-1])
                await ends(store, events)
                await system.healthy(service)
            await asyncio.gather(claims, backup)

        books = await books_of(store, bus, ledger, events, intake_queue(system.settings).name)
        assert [] == [finding for finding in audit(books) if finding.breaches]
        await the_backup_ended_once(store, ledger)
    assert {IMAGE} == {one["Config"]["Image"] for name in SCALE for one in system.inspected(name)}
    assert SCALE == {service: len(system.containers(service)) for service in SCALE}
    await system.healthy()


@asynccontextmanager
async def load(bus: EventBus, events: list[Message]) -> AsyncIterator[None]:
    """Meanwhile an event comes in each second, or as soon as the broker takes it."""

    async def publish_for_ever() -> None:
        while True:
            event = an_opportunity()
            while True:
                with suppress(Unavailable):
                    await bus.publish(event, required=True)
                    break
                await asyncio.sleep(0.5)
            events.append(event)
            await asyncio.sleep(1)

    publishing = asyncio.create_task(publish_for_ever())
    try:
        yield
    finally:
        publishing.cancel()
        await asyncio.gather(publishing, return_exceptions=True)


async def ends(store: RecordStore, events: list[Message]) -> None:
    """Three events that come in from now on have ended."""
    upto = len(events) + 3

    async def have_ended() -> bool:
        if len(events) < upto:
            return False
        ended = {id for one in await executions(store) if one.is_terminal for id in one.trigger_ids}
        return {event.id for event in events[upto - 3 : upto]} <= ended

    await eventually(have_ended, within_seconds=ENDED_SECONDS, every_seconds=0.5)


async def executions(store: RecordStore) -> list[ExecutionRecord]:
    return [stored.record async for stored in every(store, A_TENANT, ExecutionRecord)]


def begun(system: ComposedSystem, *command: str) -> "asyncio.Task[str]":
    """The command line runs in the first container of the API."""
    where = system.containers(API)[0]
    return asyncio.create_task(
        asyncio.to_thread(system.engine.docker, "exec", where, "orchestrator", *command)
    )


async def books_of(
    store: RecordStore, bus: EventBus, ledger: Ledger, events: list[Message], queue: str
) -> Books:
    """What is known when all has ended and was announced."""

    async def all_announced() -> bool:
        found = await executions(store)
        causes = {id for one in found for id in one.trigger_ids}
        seen = {event["data"].get("workflowId") for event in ledger.seen}
        return {event.id for event in events} <= causes and all(
            one.announced_at and one.id in seen for one in found
        )

    await eventually(all_announced, within_seconds=ENDED_SECONDS, every_seconds=0.5)
    await eventually(lambda: is_empty(bus, queue), within_seconds=60)
    return Books(
        confirmed={event.id: A_TENANT for event in events},
        executions=await executions(store),
        wire=of_tenant(ledger),
        left={queue: await bus.depth(queue)},
    )


def of_tenant(ledger: Ledger) -> Ledger:
    """Its analyses, without the claims and the backup of other tenants."""
    found = Ledger(identity)
    found.seen = [event for event in ledger.seen if event["tenantId"] == A_TENANT]
    return found


async def is_empty(bus: EventBus, queue: str) -> bool:
    return await bus.depth(queue) == 0


async def the_backup_ended_once(store: RecordStore, ledger: Ledger) -> None:
    wanted = Query(ExecutionRecord, {"workflow": DATABASE_BACKUP.id})

    async def announced() -> ExecutionRecord | None:
        [one] = (await store.query(SYSTEM_TENANT, wanted)).items
        return one.record if one.record.announced_at else None

    backup = await eventually(announced, within_seconds=ENDED_SECONDS)
    assert backup
    ends = [
        event
        for event in ledger.of("workflow.operation.completed", "workflow.operation.failed")
        if event["data"]["workflowId"] == DATABASE_BACKUP.id
    ]
    assert ("completed", ["workflow.operation.completed"]) == (
        backup.status,
        [event["type"] for event in ends],
    )
