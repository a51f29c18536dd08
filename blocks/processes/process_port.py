"""`/metrics`, `/health` and `/ready` of a process, on a port of its own that no tenant reaches."""

import asyncio
import errno
import hmac
import logging
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager, suppress
from datetime import datetime
from typing import Any, Literal

import msgspec
import uvicorn
from prometheus_client import CONTENT_TYPE_LATEST

from blocks.clock import utc_now
from blocks.observability.metrics.exposition import Exposition
from blocks.ports import Unavailable
from blocks.processes.bounded_http import HEADERS_BYTES_MAX, Limits, Refusal, Written, bounded_http
from blocks.processes.ending import CLOSE_SECONDS, ended
from blocks.processes.metrics import observed_process
from blocks.processes.readiness import Probes, problems
from blocks.settings import BadSetting, Settings

log = logging.getLogger(__name__)

PORTS_TRIED = 10
"""This many processes of a kind find a port each on one machine."""

LIMITS = Limits(connections_max=40, connections_per_address=20, head_seconds=5, body_seconds=5)
"""Monitoring uses a few connections; there should be no other callers."""

_DATE_SECONDS = 1.0

Role = Literal["api", "listener", "worker"]

_JSON = "application/json"


class Check(msgspec.Struct, frozen=True, omit_defaults=True):
    """The state of one part; `detail` names what is wrong."""

    status: Literal["ok", "error"]
    detail: str | None = None


class Answer(msgspec.Struct, frozen=True):
    status: int
    body: bytes
    content_type: str = _JSON


class ProcessPort:
    """What is answered; `probes` report readiness, and until they are set, it is starting."""

    def __init__(self, service: str, role: str, bearer_token: str) -> None:
        self.probes: Probes = {"start": _starting}
        self.exposition = Exposition()
        self._who = {"service": service, "role": role}
        self._authorization = f"Bearer {bearer_token}".encode() if bearer_token else b""

    async def __call__(
        self,
        scope: Mapping[str, Any],
        receive: Callable[[], Awaitable[Any]],
        send: Callable[[Any], Awaitable[None]],
    ) -> None:
        answer = await self._answer(scope)
        headers = [
            (b"content-type", answer.content_type.encode()),
            (b"content-length", str(len(answer.body)).encode()),
            (b"cache-control", b"no-store"),
        ]
        if answer.status == 401:
            headers.append((b"www-authenticate", b"Bearer"))
        await send({"type": "http.response.start", "status": answer.status, "headers": headers})
        await send({"type": "http.response.body", "body": answer.body})

    async def _answer(self, scope: Mapping[str, Any]) -> Answer:
        if scope["method"] not in ("GET", "HEAD"):
            return _problem(405, "Only GET is answered here")
        match scope["path"]:
            case "/health":
                return _document(200, status="healthy", timestamp=utc_now(), **self._who)
            case "/ready":
                return await self._readiness()
            case "/metrics":
                return await self._metrics(dict(scope["headers"]).get(b"authorization", b""))
        return _problem(404, "There are /metrics, /health and /ready here")

    async def _readiness(self) -> Answer:
        found = await problems(self.probes)
        checks = {
            name: Check("error", problem) if problem else Check("ok")
            for name, problem in found.items()
        }
        is_ready = not any(found.values())
        status = "ready" if is_ready else "not_ready"
        return _document(
            200 if is_ready else 503, status=status, checks=checks, timestamp=utc_now(), **self._who
        )

    async def _metrics(self, authorization: bytes) -> Answer:
        if self._authorization and not hmac.compare_digest(authorization, self._authorization):
            return _problem(401, "This is not the token of /metrics")
        return Answer(200, await self.exposition.text(), CONTENT_TYPE_LATEST)


@asynccontextmanager
async def process_port(settings: Settings, role: Role) -> AsyncIterator[ProcessPort]:
    """While this lasts, the process answers at the port of its role, or the next free one (logged).

    It answers on the process's own event loop: one that is blocked is not healthy. No free port is
    a warning, not a reason to do no work. Raises `BadSetting` for an address that is not ours.
    """
    port = ProcessPort(settings.module.name, role, settings.metrics.bearer_token)
    listening = _listening_socket(settings, role)
    async with observed_process(role, settings.module.version):
        if listening is None:
            yield port
            return
        with listening:
            async with _served(port, listening):
                log.info(
                    "/metrics, /health and /ready are on http://%s:%d", *listening.getsockname()[:2]
                )
                yield port


def free_port(settings: Settings, role: Role) -> int | None:
    """The port that a process of this role would now take; None if it would have none. Raises
    `BadSetting`.
    """
    listening = _listening_socket(settings, role)
    if listening is None:
        return None
    with listening:
        return int(listening.getsockname()[1])


def _listening_socket(settings: Settings, role: Role) -> socket.socket | None:
    metrics = settings.metrics
    first = {
        "api": metrics.api_port,
        "listener": metrics.listener_port,
        "worker": metrics.worker_port,
    }[role]
    return _first_free(metrics.host, first) if first else None


def _first_free(host: str, first: int) -> socket.socket | None:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    last = min(first + PORTS_TRIED - 1, 65535)
    for port in range(first, last + 1):
        try:
            return socket.create_server((host, port), family=family)
        except OSError as error:
            if error.errno != errno.EADDRINUSE:
                reason = (error.strerror or str(error)).partition(" (")[0]
                raise BadSetting(
                    f"setting metrics.host (METRICS_HOST): cannot listen on {host}: {reason}"
                ) from None
    log.warning(
        "ports %d to %d of %s are in use: this process has no /metrics, /health and /ready",
        first,
        last,
        host,
    )
    return None


class SignalFreeServer(uvicorn.Server):
    """uvicorn beside other work: the process decides what a signal means, and an idle one sleeps.

    uvicorn itself asks ten times a second whether it should exit: one in seven samples of an idle
    listener's processor time were there.
    """

    def __init__(self, config: uvicorn.Config) -> None:
        self._exiting = asyncio.Event()
        super().__init__(config)

    @property
    def should_exit(self) -> bool:
        return self._exiting.is_set()

    @should_exit.setter
    def should_exit(self, wanted: bool) -> None:
        if wanted:
            self._exiting.set()
        else:
            self._exiting.clear()

    async def main_loop(self) -> None:
        """Until it should exit; once a second the Date of its answers is renewed."""
        while not await self.on_tick(0):
            with suppress(TimeoutError):
                async with asyncio.timeout(_DATE_SECONDS):
                    await self._exiting.wait()

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Does nothing: uvicorn would raise the signal again after the graceful end, and so end the
        process with it.
        """
        yield


@asynccontextmanager
async def _served(port: ProcessPort, listening: socket.socket) -> AsyncIterator[None]:
    config = uvicorn.Config(
        port,
        http=bounded_http(LIMITS, _refused),
        h11_max_incomplete_event_size=HEADERS_BYTES_MAX,
        access_log=False,
        log_config=None,
        log_level="error",  # anyone can make uvicorn warn, by sending nonsense
        server_header=False,
        proxy_headers=False,
        lifespan="off",
        ws="none",
        timeout_graceful_shutdown=1,
    )
    server = SignalFreeServer(config)
    serving = asyncio.create_task(server.serve(sockets=[listening]), name="process port")
    try:
        yield
    finally:
        server.should_exit = True
        await asyncio.wait({serving}, timeout=CLOSE_SECONDS)
        await ended(serving)


def _refused(refusal: Refusal, accept: str, request_id: str) -> Written:
    answer = _problem(refusal.status, refusal.message)
    return Written(answer.content_type, answer.body)


async def _starting() -> None:
    raise Unavailable("this process is starting")


def _document(status_code: int, **fields: str | datetime | Mapping[str, Check]) -> Answer:
    return Answer(status_code, msgspec.json.encode(fields))


def _problem(status: int, detail: str) -> Answer:
    body = {"type": "about:blank", "status": status, "detail": detail}
    return Answer(status, msgspec.json.encode(body), "application/problem+json")
