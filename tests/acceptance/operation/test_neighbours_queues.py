"""Every queue and exchange that this system shares with the platform, on a real broker: unchanged
services declare theirs before this system and after it (the table in docs/deploy.md).
"""

import asyncio
import os
import re
import shlex
import sys
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from pathlib import Path
from uuid import uuid4

import aio_pika
import pytest
from aio_pika.exceptions import ChannelPreconditionFailed
from pamqp.common import FieldTable
from prefect.client.orchestration import get_client
from prefect.settings import PREFECT_API_URL, temporary_settings

from api.server import run_api
from blocks.adapters.consuming import DELIVERY_LIMIT
from blocks.contracts.jobs import JOB_BY_ID, Job
from blocks.jobs import triggers
from blocks.ports import DeclaredOtherwise, EventBus, Message, RecordStore, Unavailable
from blocks.services import open_bus, open_store
from blocks.settings import Settings, load_settings
from blocks.topology import batch_jobs_queue, intake_queue
from deployments.bootstrap.provision import provision
from deployments.bootstrap.work_pool import create_work_pool
from deployments.doctor.checks.broker import broker
from deployments.doctor.connections import Connections, connect
from deployments.simulated.service import queues as simulated_queues
from listeners.service import run_listener
from tests.support.factories import new_id, now
from tests.support.servers.ports import free_port
from tests.support.servers.prefect_server import PrefectServer
from tests.support.servers.rabbitmq import RabbitMQNode
from tests.support.system.neighbour import neighbour
from tests.support.waiting import eventually

TRIGGER, ANSWER = "workflow.job.trigger", "risk.evaluation.completed"
SYNC, LEARNING = JOB_BY_ID["outcome-sync"], JOB_BY_ID["cais-learning"]
PAGE = Path(__file__).parents[3] / "docs" / "deploy.md"

NO_PREFECT = "http://127.0.0.1:1/api"

either_order = pytest.mark.parametrize("first", ["the neighbour", "this system"])


def settings_on(url: str, folder: Path, **changes: str) -> Settings:
    """A platform of its own on this broker, under other names than the documented."""
    name = str(uuid4())[:8]
    return load_settings(
        {
            "RABBITMQ_URL": url,
            "RABBITMQ_EXCHANGE": f"coder_events-{name}",
            "RABBITMQ_QUEUE": f"workflow_orchestrator_service-{name}",
            "RABBITMQ_BATCH_JOBS_QUEUE": f"bi_batch_jobs-{name}",
            "RABBITMQ_CAIS_BATCH_JOBS_QUEUE": f"cais_batch_jobs-{name}",
            "RABBITMQ_WEBHOOKS_QUEUE": f"webhooks-{name}",
            "CAIS_LEARNING_ENABLED": "true",
            "ORCHESTRATOR_DATA_DIR": str(folder),
            "PORT": str(free_port()),
            "PREFECT_API_URL": NO_PREFECT,
        }
        | changes
    )


@pytest.fixture
def settings(rabbitmq: RabbitMQNode, tmp_path: Path) -> Settings:
    return settings_on(rabbitmq.url, tmp_path)


@pytest.fixture
async def store(settings: Settings) -> AsyncIterator[RecordStore]:
    async with open_store(settings) as store:
        await store.provision()
        yield store


@pytest.fixture
async def bus(settings: Settings) -> AsyncIterator[EventBus]:
    async with open_bus(settings, "test") as bus:
        yield bus


async def declare_as_earlier_versions_did(settings: Settings, queue: str) -> None:
    rabbitmq = settings.rabbitmq
    arguments: FieldTable = {
        "x-queue-type": "quorum",
        "x-delivery-limit": DELIVERY_LIMIT,
        "x-dead-letter-exchange": "",
        "x-dead-letter-routing-key": f"{queue}.dead-letters",
        "x-dead-letter-strategy": "at-least-once",
        "x-overflow": "reject-publish",
    }
    async with await aio_pika.connect(rabbitmq.url) as connection, connection.channel() as channel:
        events = await channel.declare_exchange(rabbitmq.exchange, "topic", durable=True)
        declared = await channel.declare_queue(queue, durable=True, arguments=arguments)
        await declared.bind(events, TRIGGER)


async def declare_plainly(settings: Settings, queue: str) -> None:
    async with neighbour(settings.rabbitmq.url, settings.rabbitmq.exchange, queue, ANSWER):
        pass


async def declare_exchange(settings: Settings, name: str, kind: str, *, durable: bool) -> None:
    connection = await aio_pika.connect(settings.rabbitmq.url)
    async with connection, connection.channel() as channel:
        await channel.declare_exchange(name, kind, durable=durable)


async def delete(settings: Settings, queue: str) -> None:
    connection = await aio_pika.connect(settings.rabbitmq.url)
    async with connection, connection.channel() as channel:
        await channel.queue_delete(queue)


# --- a row of the table each ----------------------------------------------------------------------


@pytest.mark.parametrize("job", [SYNC, LEARNING], ids=lambda job: job.worker)
@either_order
async def test_an_unchanged_batch_worker_receives_our_trigger(
    settings: Settings, store: RecordStore, bus: EventBus, job: Job, first: str
) -> None:
    rabbitmq = settings.rabbitmq
    queue = rabbitmq.batch_jobs_queue if job is SYNC else rabbitmq.cais_batch_jobs_queue
    if first == "this system":
        assert [] == await provision(settings)
    async with neighbour(rabbitmq.url, rabbitmq.exchange, queue, TRIGGER) as worker:
        if first == "the neighbour":
            assert [] == await provision(settings)
        execution = await triggers.trigger(store, bus, triggers.by_hand(job, "api", "1", {}))
        [envelope] = await worker.got()

    assert (execution.trigger_ids[0], job.id) == (envelope["id"], envelope["data"]["job"])


@either_order
async def test_any_other_service_receives_what_it_has_bound(
    settings: Settings, bus: EventBus, first: str
) -> None:
    rabbitmq, key = settings.rabbitmq, "hitl.approval.completed"
    if first == "this system":
        await provision(settings)
    async with neighbour(rabbitmq.url, rabbitmq.exchange, f"audit-{new_id()}", key) as audit:
        if first == "the neighbour":
            await provision(settings)
        await bus.publish(Message(id=new_id(), routing_key=key, body=b"{}", timestamp=now()))
        assert [{}] == await audit.got()


@either_order
async def test_the_analysis_services_declare_their_queues_beside_the_simulators(
    settings: Settings, bus: EventBus, first: str
) -> None:
    rabbitmq = settings.rabbitmq
    assert {"risk_analytics_service", "forecasting_service", "recommendations_service"} == {
        queue.name for queue in simulated_queues()
    }
    try:
        if first == "this system":
            await bus.declare(*simulated_queues())
        async with AsyncExitStack() as stack:
            for queue in simulated_queues():
                service = neighbour(rabbitmq.url, rabbitmq.exchange, queue.name, *queue.bindings)
                await stack.enter_async_context(service)
            await bus.declare(*simulated_queues())
    finally:
        for queue in simulated_queues():
            await delete(settings, queue.name)


@pytest.mark.long
async def test_the_default_queue_type_of_a_virtual_host_holds_for_both(
    rabbitmq: RabbitMQNode, tmp_path: Path
) -> None:
    host = f"quorum-{new_id()}"
    await asyncio.to_thread(rabbitmq.ctl, "add_vhost", host, "--default-queue-type", "quorum")
    everything = ("guest", ".*", ".*", ".*")
    await asyncio.to_thread(rabbitmq.ctl, "set_permissions", "-p", host, *everything)
    for first in ("the neighbour", "this system"):
        folder = tmp_path / first
        folder.mkdir()
        settings = settings_on(rabbitmq.url + host, folder)
        async with open_store(settings) as store, open_bus(settings, "test") as bus:
            await store.provision()
            await test_an_unchanged_batch_worker_receives_our_trigger(
                settings, store, bus, SYNC, first
            )
            async with bus.listen("a-topic", lambda _: asyncio.sleep(0)):
                await bus.ping()


# --- a trigger is never lost ----------------------------------------------------------------------


@pytest.mark.parametrize("job", [SYNC, LEARNING], ids=lambda job: job.worker)
async def test_a_trigger_waits_for_the_queue_of_its_own_worker(
    settings: Settings, store: RecordStore, bus: EventBus, job: Job
) -> None:
    """The other worker's queue is bound for it, so that the broker alone would take it."""
    rabbitmq = settings.rabbitmq
    own, other = rabbitmq.batch_jobs_queue, rabbitmq.cais_batch_jobs_queue
    if job is LEARNING:
        own, other = other, own
    async with neighbour(rabbitmq.url, rabbitmq.exchange, other, TRIGGER):
        with pytest.raises(Unavailable, match=f"there is no queue {own}.*orchestrator bootstrap"):
            await triggers.trigger(store, bus, triggers.by_hand(job, "api", "1", {}))
    await provision(settings)

    async with neighbour(rabbitmq.url, rabbitmq.exchange, own, TRIGGER) as worker:
        execution = await triggers.trigger(store, bus, triggers.by_hand(job, "api", "1", {}))
        [envelope] = await worker.got()
    assert execution.trigger_ids == [envelope["id"]]


# --- what exists with other arguments -------------------------------------------------------------


async def test_a_queue_of_an_earlier_version_is_used_as_it_is_and_named(
    settings: Settings,
    store: RecordStore,
    bus: EventBus,
    caplog: pytest.LogCaptureFixture,
) -> None:
    queue = settings.rabbitmq.batch_jobs_queue
    await declare_as_earlier_versions_did(settings, queue)
    named = (
        f"queue {queue} exists with other arguments: x-dead-letter-exchange is empty there (a "
        "quorum queue, as earlier versions of this system declared it), and not set in its "
        "owner's declaration"
    )

    [attention] = await provision(settings)
    await triggers.trigger(store, bus, triggers.by_hand(SYNC, "api", "1", {}))

    assert attention.startswith(f"attention: {named}; move its messages aside, delete it")
    assert named in caplog.text
    findings = await broker(Connections(settings, store, bus))
    [finding] = [finding for finding in findings if queue in finding.found and finding.todo]
    assert ("failed", f"{named}; 1 waiting, 0 consumers") == (finding.state, finding.found)
    assert finding.todo.startswith("move its messages aside, delete it, run bootstrap")


async def test_a_neighbours_queue_with_arguments_and_a_consumer_is_only_pointed_out(
    settings: Settings, bus: EventBus
) -> None:
    rabbitmq = settings.rabbitmq
    async with await aio_pika.connect(rabbitmq.url) as connection, connection.channel() as channel:
        queue = await channel.declare_queue(
            rabbitmq.batch_jobs_queue, durable=True, arguments={"x-message-ttl": 86_400_000}
        )
        await queue.consume(aio_pika.abc.AbstractIncomingMessage.ack)
        await provision(settings)
        await bus.publish(
            Message(id=new_id(), routing_key=TRIGGER, body=b"", timestamp=now()), required=True
        )
        findings = await broker(Connections(settings, bus=bus))

    [finding] = [finding for finding in findings if finding.found.startswith(f"queue {queue.name}")]
    assert "warning" == finding.state
    assert "x-message-ttl is 86400000 there, and not set in its owner's" in finding.found


async def test_the_former_orchestrators_queue_is_named_and_not_waited_for(
    settings: Settings, bus: EventBus
) -> None:
    queue = settings.rabbitmq.queue
    await declare_plainly(settings, queue)
    named = (
        f"queue {queue} exists with other arguments: x-dead-letter-exchange is not set there (a "
        "plain queue, as the former orchestrator declares it), and empty in this system's "
        "declaration"
    )
    began = time.monotonic()

    for start in (provision(settings), run_listener(settings)):
        with pytest.raises(DeclaredOtherwise) as refused:
            await start
        assert str(refused.value).startswith(f"{named}; move its messages aside and delete it")
    findings = await broker(Connections(settings, bus=bus))

    assert time.monotonic() - began < settings.startup.wait_seconds / 2
    assert ("failed", f"{named}; 0 waiting, 0 consumers") in [
        (finding.state, finding.found) for finding in findings
    ]


@pytest.mark.long
async def test_bootstrap_and_worker_end_with_exit_code_1_and_the_reason(
    settings: Settings, prefect_server: PrefectServer
) -> None:
    rabbitmq, pool = settings.rabbitmq, f"pool-{new_id()}"
    await declare_plainly(settings, rabbitmq.queue)
    await declare_exchange(settings, "misnamed", "direct", durable=True)
    with temporary_settings({PREFECT_API_URL: prefect_server.api_url}):
        async with get_client() as client:
            await create_work_pool(client, pool)
    environment = os.environ | {
        "RABBITMQ_URL": rabbitmq.url,
        "RABBITMQ_EXCHANGE": rabbitmq.exchange,
        "RABBITMQ_QUEUE": rabbitmq.queue,
        "ORCHESTRATOR_DATA_DIR": settings.data_dir,
        "PREFECT_API_URL": prefect_server.api_url,
        "PREFECT_WORK_POOL": pool,
        "WORKER_METRICS_PORT": "0",
    }

    printed = await printed_by("bootstrap", environment)
    assert f"queue {rabbitmq.queue} exists with other arguments" in printed
    printed = await printed_by("worker", environment | {"RABBITMQ_EXCHANGE": "misnamed"})
    assert "exchange misnamed exists with other arguments: type is direct there" in printed


async def printed_by(command: str, environment: dict[str, str]) -> str:
    """What `orchestrator` prints on stderr before it ends with exit code 1."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "deployments.cli", command),
        env=environment,
        stderr=asyncio.subprocess.PIPE,
    )
    _, printed = await process.communicate()
    assert 1 == process.returncode, printed.decode()
    assert "did not come" not in printed.decode()
    return printed.decode()


@pytest.mark.parametrize(
    ("kind", "durable", "argument"), [("direct", True, "type"), ("topic", False, "durable")]
)
async def test_an_exchange_of_another_kind_is_named_at_every_start(
    settings: Settings, kind: str, durable: bool, argument: str
) -> None:
    exchange = settings.rabbitmq.exchange
    await declare_exchange(settings, exchange, kind, durable=durable)
    named = f"exchange {exchange} exists with other arguments: {argument} is"

    for start in (provision(settings), run_listener(settings), run_api(settings)):
        with pytest.raises(DeclaredOtherwise, match=f"{named}.*RABBITMQ_EXCHANGE"):
            await start
    with temporary_settings({PREFECT_API_URL: NO_PREFECT}):
        async with connect(settings) as connections:
            [finding] = [one for one in connections.unavailable if one.part == "broker"]
    assert finding.found.startswith(named)
    assert "RABBITMQ_EXCHANGE" in finding.todo


# --- cut-over, as documented ----------------------------------------------------------------------


async def test_under_a_name_of_its_own_the_intake_queue_stands_beside_the_former_orchestrators(
    rabbitmq: RabbitMQNode, tmp_path: Path
) -> None:
    """And the former can start again at any time."""
    settings = settings_on(rabbitmq.url, tmp_path)
    former = f"former-{new_id()}"
    message = Message(id=new_id(), routing_key=ANSWER, body=b"{}", timestamp=now())
    for _ in range(2):
        await declare_plainly(settings, former)
        await provision(settings)
    async with open_bus(settings, "test") as bus:
        await bus.publish(message)
        for queue in (former, intake_queue(settings).name):
            assert [message.id] == [waiting.id for waiting in await bus.peek(queue)]


@pytest.fixture
def node_with_shovel(tmp_path: Path) -> Iterator[RabbitMQNode]:
    node = RabbitMQNode(tmp_path, plugins=["rabbitmq_shovel"])
    try:
        node.start()
        yield node
    finally:
        node.close()


@pytest.mark.slow  # a broker of its own, with documented names
async def test_the_documented_commands_replace_a_queue_and_lose_nothing(
    node_with_shovel: RabbitMQNode, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    url = node_with_shovel.url
    settings = load_settings({"RABBITMQ_URL": url, "ORCHESTRATOR_DATA_DIR": str(tmp_path)})
    queue = settings.rabbitmq.batch_jobs_queue
    await declare_as_earlier_versions_did(settings, queue)
    with pytest.raises(ChannelPreconditionFailed):
        await declare_plainly(settings, queue)
    async with open_store(settings) as store, open_bus(settings, "test") as bus:
        await store.provision()
        for request in ("1", "2", "3"):
            await triggers.trigger(store, bus, triggers.by_hand(SYNC, "api", request, {}))

        async def is_empty(name: str) -> bool:
            return 0 == await bus.depth(name)

        for command in documented_commands("rabbitmq-plugins enable rabbitmq_shovel"):
            match command:
                case ["rabbitmq-plugins", *_]:
                    pass  # this node has it
                case ["orchestrator", "bootstrap"]:
                    assert [] == await provision(settings)
                case ["rabbitmqctl", "list_queues", *_]:
                    await eventually(lambda: is_empty(queue), within_seconds=60)
                case ["rabbitmqctl", "delete_queue", "--if-empty", name]:
                    await eventually(lambda name=name: is_empty(name), within_seconds=60)  # type: ignore[misc]
                    await asyncio.to_thread(node_with_shovel.ctl, *command[1:])
                case ["rabbitmqctl", *arguments]:
                    await asyncio.to_thread(node_with_shovel.ctl, *arguments)
        [policy] = documented_commands("rabbitmqctl set_policy")
        await asyncio.to_thread(node_with_shovel.ctl, *policy[1:])

        async with neighbour(url, settings.rabbitmq.exchange, queue, TRIGGER) as worker:
            assert 3 == len({envelope["id"] for envelope in await worker.got(3)})
        assert [] == await provision(settings)
        await refuse_one(settings, bus)
        await eventually(lambda: bus.depth(batch_jobs_queue(settings).dead_letters))


async def refuse_one(settings: Settings, bus: EventBus) -> None:
    await bus.publish(Message(id=new_id(), routing_key=TRIGGER, body=b"{}", timestamp=now()))
    connection = await aio_pika.connect(settings.rabbitmq.url)
    async with connection, connection.channel() as channel:
        queue = await channel.get_queue(settings.rabbitmq.batch_jobs_queue)
        message = await eventually(lambda: queue.get(fail=False))
        assert message
        await message.reject(requeue=False)


def documented_commands(first: str) -> list[list[str]]:
    """The block of commands on the page that begins so."""
    page = PAGE.read_text()
    block = re.split(r"\n\s*\n", page[page.index(first) :])[0]
    return [
        shlex.split(command, comments=True)
        for command in re.split(r"\n(?=\s*(?:rabbitmq|orchestrator))", block.replace("\\\n", " "))
    ]
