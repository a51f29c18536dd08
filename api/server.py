"""The API process: opens what the API needs, serves until a signal stops it, closes it again."""

import asyncio
import errno
import logging
import signal
import socket
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator, Sequence
from contextlib import ExitStack, asynccontextmanager, contextmanager
from functools import partial
from typing import Any

import msgspec
import uvicorn
from litestar import Litestar
from litestar.routes import WebSocketRoute

from api.access.authentication import identification
from api.access.internal import (
    InternalAddress,
    InternalCaller,
    claim_services,
    operations_network,
)
from api.access.limits.failures import Failures
from api.app import create_app
from api.health.liveness import expect_process
from api.http.errors import ErrorBody, ErrorEnvelope
from api.http.refusals import problem_details
from api.jobs.metrics import JobMetrics
from api.live.hub import Hub
from api.live.subscription import LiveSubscription
from api.reconciler import run_reconciler
from api.sockets.endpoint import PATH, Sockets
from api.sockets.payloads import PACKET_BYTES_MAX
from api.sockets.updates import PATTERNS
from blocks.adapters.prefect.flow_runs import PrefectFlowRuns
from blocks.audit.failed_logins import written_down
from blocks.observability.metrics.exposition import Exposition
from blocks.ports import EventBus, RecordStore
from blocks.processes.bounded_http import (
    HEADERS_BYTES_MAX,
    Refusal,
    Written,
    bounded_http,
    limits_of,
)
from blocks.processes.ending import ended
from blocks.processes.memory import spare_the_collector
from blocks.processes.process_port import SignalFreeServer, process_port
from blocks.processes.readiness import Probes
from blocks.services import open_bus, open_store
from blocks.settings import BadSetting, Server, Settings
from blocks.settings.auth import GATEWAY, announce, modes_of
from blocks.settings.server import internal_address_of, is_loopback, proxies_of

logger = logging.getLogger(__name__)


class PortInUse(Exception):
    """Another process listens on the API's address; the message names it, and what to do."""


async def run_api(settings: Settings) -> None:
    """Serves the API and runs the reconciler until cancelled or stopped by SIGTERM or SIGINT.

    Requests in progress are finished first. No part is waited for: until the store, the broker and
    Prefect are available, `/ready` reports it, and requests that need them are answered 503. Raises
    `PortInUse`, and `BadSetting` for an address that is not ours.
    """
    hub, failures = Hub(settings.live), Failures(settings.auth.failures_per_minute)
    with listening_socket(settings.server) as listening, internal_sockets(settings) as internal:
        cut_off_after(listening, settings.live.frozen_seconds)
        level = logging.WARNING if GATEWAY in modes_of(settings.auth) else logging.INFO
        logger.log(level, "%s", announce(settings.auth))
        async with (
            process_port(settings, "api") as port,
            open_store(settings) as store,
            written_down(failures.logins, store),
            open_bus(settings, "api") as bus,
            PrefectFlowRuns(settings.prefect.api_url or None) as flow_runs,
            _beside(_reconciler_for_ever(settings, store, bus)),
            _beside(LiveSubscription(bus, hub, settings.live.kept_seconds).run()),
        ):
            probes = readiness_probes(settings, store, bus, flow_runs)
            sockets = Sockets(settings, store, identification(settings.auth, store), failures)
            exposition = Exposition(JobMetrics(store).text)
            port.probes, port.exposition = probes, exposition
            app = create_app(
                settings,
                store,
                bus,
                flow_runs,
                probes=probes,
                failures=failures,
                hub=hub,
                sockets=sockets,
                exposition=exposition,
            )
            async with (
                bus.subscribe(PATTERNS, sockets.updates),
                _served_internally(app, internal, settings),
            ):
                await _serve(app, listening, settings, hub, sockets)


Internal = Sequence[tuple[socket.socket, InternalCaller]]
"""Sockets on which calls are taken without a credential, and whose calls these are."""


@contextmanager
def internal_sockets(settings: Settings) -> Iterator[Internal]:
    """Bound to the addresses of claims and of operations, as far as there are such."""
    wanted = (
        (settings.claims, "claims.internal_address", "CLAIMS_INTERNAL_ADDRESS"),
        (settings.operations, "operations.internal_address", "OPERATIONS_ADDRESS"),
    )
    with ExitStack() as stack:
        opened = []
        for section, setting, variable in wanted:
            if address := internal_address_of(section):
                server = msgspec.structs.replace(settings.server, host=address[0], port=address[1])
                listening = stack.enter_context(listening_socket(server, setting, variable))
                cut_off_after(listening, settings.live.frozen_seconds)
                is_of_claims = section is settings.claims
                caller = claim_services(settings.claims) if is_of_claims else operations_network()
                opened.append((listening, caller))
        yield opened


@contextmanager
def listening_socket(
    server: Server, setting: str = "server.host and server.port", variable: str = "PORT"
) -> Iterator[socket.socket]:
    """A socket bound to the configured address, before anything is opened: a wrong address costs
    nothing.
    """
    family = socket.AF_INET6 if ":" in server.host else socket.AF_INET
    try:
        listening = socket.create_server((server.host, server.port), family=family)
    except OSError as error:
        where = f"{server.host}:{server.port}"
        if error.errno == errno.EADDRINUSE:
            raise PortInUse(
                f"the API cannot listen on {where}: the port is in use; stop what uses it, or "
                f"set {variable} to another one"
            ) from None
        reason = (error.strerror or str(error)).partition(" (")[0]
        raise BadSetting(
            f"setting{'s' if ' and ' in setting else ''} {setting}: cannot listen on {where}: "
            f"{reason}"
        ) from None
    with listening:
        # Its connections inherit it; asyncio sets it only where the socket's protocol was named.
        # Without it, the end of an answer waits for the client to acknowledge its beginning: 40 ms
        # on a connection that is kept.
        listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        yield listening


def cut_off_after(listening: socket.socket, seconds: float) -> None:
    """A client that reads nothing for so long is disconnected, where the system supports it.

    Nothing else would notice a frozen client: its system keeps acknowledging with a zero window.
    """
    if hasattr(socket, "TCP_USER_TIMEOUT"):
        listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, int(seconds * 1000))


def readiness_probes(
    settings: Settings, store: RecordStore, bus: EventBus, flow_runs: PrefectFlowRuns
) -> Probes:
    """The parts without which an event would not become a finished execution."""
    lost_after = settings.worker.lost_after_seconds
    return {
        "database": store.ping,
        "broker": bus.ping,
        "prefect": flow_runs.ping,
        "listener": partial(expect_process, store, "listener", lost_after),
        "worker": partial(expect_process, store, "worker", lost_after),
    }


async def _serve(
    app: Litestar,
    listening: socket.socket,
    settings: Settings,
    hub: Hub,
    sockets: Sockets | None = None,
) -> None:
    server = _Server(_config(app, settings), hub, sockets)
    spare_the_collector()
    serving = asyncio.create_task(server.serve(sockets=[listening]))
    host, port = listening.getsockname()[:2]
    logger.info("The API listens on http://%s:%d, its documentation is under /docs", host, port)
    with _stopped_by_signals(server):
        try:
            await asyncio.shield(serving)
        except asyncio.CancelledError:
            server.should_exit = True
            await serving
            raise
    logger.info("The API has stopped")


@asynccontextmanager
async def _served_internally(
    app: Litestar, internal: Internal, settings: Settings
) -> AsyncIterator[None]:
    """While this lasts, calls on these addresses are answered."""
    servers = []
    for listening, caller in internal:
        served = InternalAddress(app, caller)
        server = SignalFreeServer(_config(app, settings, served, lifespan="off"))
        servers.append((server, asyncio.create_task(server.serve(sockets=[listening]))))
        host, port = listening.getsockname()[:2]
        logger.log(
            logging.INFO if is_loopback(host) else logging.WARNING,
            "Calls are taken WITHOUT a credential on http://%s:%d, as %s of tenant %s: only the "
            "platform's services may reach it",
            host,
            port,
            caller.identity.id,
            caller.identity.tenant_id,
        )
    try:
        yield
    finally:
        for server, serving in servers:
            server.should_exit = True
            await serving


def _config(app: Litestar, settings: Settings, served: Any = None, **others: Any) -> uvicorn.Config:
    """For the application itself, or what wraps it (`served`)."""
    proxies, live = proxies_of(settings.server), settings.live
    return uvicorn.Config(
        served or app,
        http=bounded_http(limits_of(settings.server), _refused, _websockets_of(app)),
        h11_max_incomplete_event_size=HEADERS_BYTES_MAX,
        access_log=False,  # the request observer writes that line
        log_config=None,
        log_level="error",  # anyone can make uvicorn warn, by sending nonsense
        server_header=False,
        proxy_headers=bool(proxies),
        forwarded_allow_ips=list(proxies),
        ws="websockets-sansio",
        ws_max_size=PACKET_BYTES_MAX,  # Socket.IO clients send a credential, others nothing
        ws_ping_interval=live.heartbeat_seconds,
        ws_ping_timeout=live.frozen_seconds,
        ws_per_message_deflate=False,  # it would cost each client a buffer
        timeout_keep_alive=5,
        timeout_graceful_shutdown=10,
        **others,
    )


def _websockets_of(app: Litestar) -> Callable[[str], bool]:
    paths = {route.path for route in app.routes if isinstance(route, WebSocketRoute)}
    return (paths | {PATH}).__contains__


def _refused(refusal: Refusal, accept: str, request_id: str) -> Written:
    """In the form that the client asks for, as `answer_error`."""
    body = ErrorBody(code=refusal.code, message=refusal.message)
    if problem_details.are_accepted(accept):
        problem = problem_details.problem_details(refusal.status, body, request_id)
        return Written(problem_details.MEDIA_TYPE, msgspec.json.encode(problem))
    return Written("application/json", msgspec.json.encode(ErrorEnvelope(error=body)))


class _Server(SignalFreeServer):
    def __init__(self, config: uvicorn.Config, hub: Hub, clients: Sockets | None) -> None:
        super().__init__(config)
        self._hub, self._clients = hub, clients

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """As uvicorn does, which waits for answers to end; streams of events end by themselves only
        now.
        """
        self._hub.close()
        if self._clients is not None:
            await self._clients.close()
        await super().shutdown(sockets)


@contextmanager
def _stopped_by_signals(server: uvicorn.Server) -> Iterator[None]:
    """The first SIGTERM or SIGINT stops the server gracefully, a second SIGINT at once."""
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, server.handle_exit, number, None)
    try:
        yield
    finally:
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.remove_signal_handler(number)


@asynccontextmanager
async def _beside(work: Coroutine[Any, Any, None]) -> AsyncIterator[None]:
    """The work goes on while the context lasts, and is cancelled at its end."""
    task = asyncio.create_task(work)
    try:
        yield
    finally:
        await ended(task)


async def _reconciler_for_ever(settings: Settings, store: RecordStore, bus: EventBus) -> None:
    """Restarts a reconciler that fails: reads go on meanwhile, and its work can be done later."""
    while True:
        try:
            await run_reconciler(settings, store, bus)
        except Exception:
            logger.exception(
                "The reconciler failed; it starts again in %g s",
                settings.reconciler.interval_seconds,
            )
        await asyncio.sleep(settings.reconciler.interval_seconds)
