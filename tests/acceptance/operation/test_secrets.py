"""No secret leaves its place: each is a canary, the system works, fails, is refused, and then
everything is searched.

Searched are the logs of every process, the command line's output, Prefect's database, the bus, the
records, the API's answers, traces, metrics and the processes' command lines. A canary may be found
only where it has to be.
"""

import asyncio
import base64
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import msgspec
import pytest

from blocks.contracts.records import ExecutionRecord
from blocks.ports import Queue
from deployments.local.readiness import api_url
from tests.support.api import credentials
from tests.support.factories import A_TENANT, new_id
from tests.support.servers.otlp_collector import Collector, an_otlp_collector
from tests.support.servers.prefect_server import PrefectServer
from tests.support.servers.rabbitmq import RabbitMQNode
from tests.support.servers.tcp_proxy import TcpProxy
from tests.support.system.analysis_services import AnalysisServices, opportunity_event, services_on
from tests.support.system.orchestra import Orchestra, on_rabbitmq, whole_orchestra
from tests.support.waiting import eventually

BROKER, WRONG, BAD_URL, PREFECT = (
    f"canary-{name}-{new_id()}" for name in ("broker", "wrong", "bad-url", "prefect")
)
STORE = base64.b64encode(f"canary-store-{new_id()}".encode() * 2).decode()
JWT, LINKS, METRICS, HOOK, MANAGEMENT, SHORT = (
    *(f"canary-{name}-{new_id()}" for name in ("jwt", "links", "metrics", "hook", "management")),
    "canary-short",
)
CANARIES = {
    "the broker's password": BROKER,
    "a wrong password": WRONG,
    "a password in a bad URL": BAD_URL,
    "the store's key": STORE,
    "the tokens' secret": JWT,
    "a secret that is too short": SHORT,
    "the links' secret": LINKS,
    "the metrics' token": METRICS,
    "Prefect's password": PREFECT,
    "the management plugin's password": MANAGEMENT,
    "what stands in a webhook's URL": HOOK,
}


class Searched:
    """Everything that could have taken a secret in, by the name of the place."""

    def __init__(self) -> None:
        self.places: dict[str, bytes] = {}

    def add(self, place: str, content: bytes | str) -> None:
        content = content.encode() if isinstance(content, str) else content
        self.places[place] = self.places.get(place, b"") + content

    def add_file(self, place: str, file: Path) -> None:
        self.add(place, file.read_bytes())

    def add_files(self, place: str, folder: Path, *names: str) -> None:
        for file in (file for name in names for file in folder.glob(name)):
            self.add_file(place, file)

    def finds(self, secrets: Mapping[str, str]) -> set[tuple[str, str]]:
        """Which secret lies where, spelled in any of the usual ways."""
        return {
            (name, place)
            for name, secret in secrets.items()
            for place, content in self.places.items()
            if any(form in content for form in forms(secret))
        }


def forms(secret: str) -> Iterator[bytes]:
    yield secret.encode()
    yield msgspec.json.encode(secret)[1:-1]
    yield secret.replace("+", "%2B").replace("/", "%2F").replace("=", "%3D").encode()


@pytest.fixture
def collector() -> Iterator[Collector]:
    with an_otlp_collector() as collector:
        yield collector


@pytest.fixture
def broker(rabbitmq: RabbitMQNode) -> Iterator[TcpProxy]:
    """The node, with a user of its own, over a link that can be cut."""
    rabbitmq.ctl("add_user", "canary", BROKER)
    rabbitmq.ctl("set_permissions", "canary", ".*", ".*", ".*")
    with TcpProxy(rabbitmq.url) as proxy:
        yield proxy
    rabbitmq.ctl("delete_user", "canary")


@pytest.fixture
async def parts(
    tmp_path: Path,
    rabbitmq: RabbitMQNode,
    broker: TcpProxy,
    prefect_server: PrefectServer,
    collector: Collector,
) -> AsyncIterator[Orchestra]:
    environment = {
        **on_rabbitmq(rabbitmq, tmp_path.name),
        "RABBITMQ_URL": f"amqp://canary:{BROKER}@{urlsplit(broker.url).hostname}:{urlsplit(broker.url).port}/?heartbeat=1",
        "RABBITMQ_MANAGEMENT_URL": f"http://canary:{MANAGEMENT}@127.0.0.1:9/",
        "COSMOS_DB_KEY": STORE,
        "JWT_SECRET": JWT,
        "APPROVAL_LINK_SECRET": LINKS,
        "METRICS_BEARER_TOKEN": METRICS,
        "PREFECT_API_AUTH_STRING": f"admin:{PREFECT}",
        "OTEL_EXPORTER_OTLP_ENDPOINT": collector.url,
        "ANALYSIS_STEP_TIMEOUT_SECONDS": "5",
        "LOG_LEVEL": "DEBUG",
    }
    async with whole_orchestra(tmp_path, prefect_server, **environment) as parts:
        yield parts


@pytest.mark.slow
async def test_no_secret_is_found_where_it_does_not_belong(
    parts: Orchestra, broker: TcpProxy, prefect_server: PrefectServer, collector: Collector
) -> None:
    searched = Searched()
    everything = Queue(name=f"everything-{parts.name}", bindings=["#"])
    await parts.bus.declare(everything)
    processes = (parts.listener, parts.worker, parts.api)
    for process in processes:
        process.start()

    async with (
        services_on(parts.bus, parts.name) as services,
        httpx.AsyncClient(base_url=api_url(parts.settings)) as api,
    ):
        await work_and_fail(parts, services)
        made = await use_the_api(parts, api, searched)
        await without_a_broker(broker, api, searched)
    for process in processes:
        searched.add_file(
            f"the command line of the {process.name}", Path(f"/proc/{process.pid}/cmdline")
        )
        process.stop()
        searched.add(f"the log of the {process.name}", process.log)
    for number, printed in enumerate(
        await asyncio.gather(*(ran(parts, *command) for command in COMMANDS))
    ):
        searched.add(f"command {number}: {COMMANDS[number]}", printed)
    for message in await parts.bus.peek(everything.name, limit=1000):
        searched.add("the bus", message.body + repr(message.headers).encode())
    searched.add("traces", repr(collector.spans))
    searched.add_files("Prefect", prefect_server.folder, "prefect.db*", "server.log")
    searched.add_files("the records", Path(parts.settings.data_dir), "records.db*")

    assert len(searched.places) == 2 * len(processes) + len(COMMANDS) + len(PLACES)
    assert all(searched.places.values())
    # A webhook is called at its URL, signed with its secret; who makes one or a link is shown it.
    known = {
        ("what stands in a webhook's URL", place)
        for place in ("the records", "answers about webhooks")
    }
    known |= {
        ("the webhook's secret", place) for place in ("the records", "answers about webhooks")
    }
    known |= {("a link", "answers about links")}
    assert known == searched.finds({**CANARIES, **made})


PLACES = (
    *("the bus", "traces", "Prefect", "the records", "answers"),
    *("answers about webhooks", "answers about links", "answers to who has a link"),
)


# --- traffic --------------------------------------------------------------------------------------


async def work_and_fail(parts: Orchestra, services: AnalysisServices) -> None:
    """One analysis completes, one fails without an answer, and one event is refused."""
    good, bad = (opportunity_event(A_TENANT, new_id(), id=new_id()) for _ in range(2))
    await parts.bus.publish(good)
    await has_ended(parts, "completed")
    services.silent.add("workflow.forecast.requested")
    await parts.bus.publish(bad, msgspec.structs.replace(bad, id=new_id(), body=b'{"no": "event"}'))
    await has_ended(parts, "failed")


async def has_ended(parts: Orchestra, status: str) -> None:
    async def is_there() -> bool:
        return await parts.store.count(A_TENANT, ExecutionRecord, {"status": status}) > 0

    try:
        await eventually(is_there, within_seconds=120)
    except AssertionError as error:
        raise AssertionError(f"{error}\n{parts.logs()}") from None


async def use_the_api(
    parts: Orchestra, api: httpx.AsyncClient, searched: Searched
) -> dict[str, str]:
    """Good requests and refused ones; the secrets that were made meanwhile."""

    async def ask(
        place: str, method: str, path: str, *, token: str | None = None, **sent: Any
    ) -> Any:
        headers = {"X-Tenant-ID": A_TENANT, "Authorization": f"Bearer {token or admin}"}
        answer = await api.request(method, path, headers=headers, **sent)
        searched.add(place, repr(answer.headers) + answer.text)
        return answer

    admin = credentials.a_token("admin", "approver", user="ann", secret=JWT)
    forged = credentials.a_token("admin", secret=f"{JWT}, but forged")
    key = await a_key(parts)
    strange = f"{key[:-4]}AAAA"
    await eventually(lambda: ready(api), within_seconds=60)

    hook = {"url": f"https://user:pw@hooks.invalid/services/{HOOK}?token={HOOK}"}
    await ask("answers about webhooks", "POST", "/api/v1/webhooks", json=hook)
    hook = {"url": f"https://hooks.invalid/services/{HOOK}?token={HOOK}"}
    webhook = (await ask("answers about webhooks", "POST", "/api/v1/webhooks", json=hook)).json()
    await ask("answers about webhooks", "GET", "/api/v1/webhooks")
    asks = credentials.a_token("operator", user="bob", secret=JWT)
    wanted = {"subject": "a discount"}
    approval = (
        await ask("answers", "POST", "/api/v1/hitl/approvals", token=asks, json=wanted)
    ).json()
    links = f"/api/v1/hitl/approvals/{approval['id']}/links"
    link = (await ask("answers about links", "POST", links, json={"recipient": "ann"})).json()[
        "token"
    ]
    await ask("answers to who has a link", "GET", f"/api/v1/hitl/links/{link}")
    await ask("answers to who has a link", "GET", f"/api/v1/hitl/links/{link}x")
    await ask(
        "answers to who has a link",
        "POST",
        f"/api/v1/hitl/links/{link}",
        json={"outcome": "approved"},
    )
    await ask("answers", "DELETE", f"/api/v1/webhooks/{webhook['id']}x")
    for token in (admin, forged, key, strange, LINKS, f"{admin}x"):
        for path in (
            "/api/v1/executions",
            "/api/v1/audit",
            "/api/v1/executions?limit=0",
            "/metrics",
        ):
            await ask("answers", "GET", path, token=token)
    await ask("answers", "GET", "/metrics", token=METRICS)
    await ask("answers", "GET", "/ready")
    return {
        "a user's token": admin,
        "a forged token": forged,
        "an API key": key,
        "a key that is none of ours": strange,
        "the webhook's secret": webhook["secret"],
        "a link": link,
    }


async def ready(api: httpx.AsyncClient) -> bool:
    try:
        return (await api.get("/health")).is_success
    except httpx.HTTPError:
        return False


async def without_a_broker(broker: TcpProxy, api: httpx.AsyncClient, searched: Searched) -> None:
    """The broker is away, every process notices, and it comes back."""
    broker.cut()
    token = credentials.a_token("operator", secret=JWT)
    headers = {"X-Tenant-ID": A_TENANT, "Authorization": f"Bearer {token}"}

    async def is_noticed() -> bool:
        answer = await api.post("/api/v1/jobs/propagation/trigger", headers=headers, json={})
        searched.add("answers", answer.text)
        return answer.status_code == 503

    await eventually(is_noticed, within_seconds=60, every_seconds=0.5)
    searched.add("answers", (await api.get("/ready")).text)
    broker.pass_all()


# --- commands -------------------------------------------------------------------------------------

_WRONG_PASSWORD = {"RABBITMQ_URL": f"amqp://canary:{WRONG}@BROKER/"}
_NO_BROKER = {"RABBITMQ_URL": f"amqp://canary:{BROKER}@127.0.0.1:9/"}
_BAD_URLS = [
    {"RABBITMQ_URL": f"amqp://canary:{BAD_URL}@host:no-port/"},
    {"RABBITMQ_URL": f"http://canary:{BAD_URL}@host/"},
    {"RABBITMQ_URL": f"amqp://canary:{BAD_URL}@[::1/"},
]
_NO_STORE = {"COSMOS_DB_ENDPOINT": "https://127.0.0.1:9/"}
_LIST = ["executions", "list", "--tenant", A_TENANT]
_TRIGGER = ["jobs", "trigger", "propagation"]

COMMANDS: list[tuple[list[str], Mapping[str, str]]] = [
    (["settings"], {}),
    (["doctor"], {}),
    (["doctor"], _WRONG_PASSWORD),
    (["--traceback", *_TRIGGER], _WRONG_PASSWORD),
    (["doctor", "--json"], _NO_BROKER),
    (["--traceback", *_TRIGGER], _NO_BROKER),
    (_TRIGGER, _NO_BROKER),
    *((["--traceback", *_TRIGGER], bad) for bad in _BAD_URLS),
    *((["settings"], bad) for bad in _BAD_URLS),
    (_LIST, _NO_STORE),
    (["--traceback", *_LIST], _NO_STORE),
    (["settings"], {"JWT_SECRET": SHORT}),
    (["--traceback", "api"], {"APPROVAL_LINK_SECRET": SHORT}),
    (["webhooks", "list", "--tenant", A_TENANT], {}),
    (["audit", "list", "--tenant", A_TENANT, "--json"], {}),
]


async def ran(parts: Orchestra, arguments: list[str], environment: Mapping[str, str]) -> bytes:
    """What the command printed, on both streams."""
    broker = urlsplit(parts.environment["RABBITMQ_URL"]).netloc.rpartition("@")[2]
    changed = {
        name: value.replace("@BROKER/", f"@{broker}/") for name, value in environment.items()
    }
    command = [sys.executable, "-m", "deployments.cli", *arguments]
    process = await asyncio.create_subprocess_exec(
        *command,
        env={**parts.environment, **changed},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    printed, _ = await asyncio.wait_for(process.communicate(), timeout=180)
    return printed


async def a_key(parts: Orchestra) -> str:
    """A new API key, which its maker is shown."""
    shown = await ran(
        parts, ["keys", "create", "--tenant", A_TENANT, "--name", "canary", "--role", "admin"], {}
    )
    return shown.decode().split()[1]
