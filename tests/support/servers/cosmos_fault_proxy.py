"""An HTTPS proxy before the Cosmos DB emulator that answers some requests as an account in trouble
does.

It runs on a thread of its own, so that blocking and asyncio tests, and processes of ours, can use
it; every method may be called from anywhere. A client trusts it as it trusts the emulator, by the
same authority.
"""

import asyncio
import re
import ssl
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Literal, Self

import aiohttp
import msgspec
from aiohttp import web

from tests.support.servers.cosmos import CosmosEmulator
from tests.support.servers.own_loop import OwnLoop

Operation = Literal["create", "replace", "upsert", "delete", "read", "query", "account"]
WRITES: tuple[Operation, ...] = ("create", "replace", "upsert", "delete")

_NOT_FORWARDED = {"host", "connection", "content-length", "transfer-encoding", "keep-alive"}


class Refuse(msgspec.Struct, frozen=True, kw_only=True):
    """The request is answered with this status and never reaches the account."""

    status: int
    headers: dict[str, str] = {}


class Drop(msgspec.Struct, frozen=True, kw_only=True):
    """The connection is closed without an answer; with `applied`, after the account has done what
    was asked.
    """

    applied: bool = False


class Delay(msgspec.Struct, frozen=True, kw_only=True):
    """The request reaches the account, but later."""

    seconds: float


Fault = Refuse | Drop | Delay

PRECONDITION_FAILED = Refuse(status=412)
UNAVAILABLE = Refuse(status=503)
APPLIED_THEN_DROPPED = Drop(applied=True)


def throttled(retry_after_ms: int = 10) -> Refuse:
    """429: come back after so many milliseconds."""
    return Refuse(
        status=429, headers={"x-ms-retry-after-ms": str(retry_after_ms), "x-ms-substatus": "3200"}
    )


class _Rule(msgspec.Struct, kw_only=True):
    fault: Fault
    operations: tuple[Operation, ...]
    path: re.Pattern[str]
    left: int | None
    until: float | None


class CosmosFaultProxy:
    """Before an emulator, from `with` to its end. `endpoint` and `ca_file` replace
    the emulator's.
    """

    def __init__(self, emulator: CosmosEmulator) -> None:
        self.key = emulator.key
        self.ca_file = emulator.ca_file
        self.port: int
        self.requests: Counter[Operation] = Counter()
        """Every request that came, faults included."""
        self.faults: Counter[Operation] = Counter()
        """Those of them that a fault was done to."""
        self._emulator = emulator
        self._rules: list[_Rule] = []
        self._lock = threading.Lock()
        self._loop = OwnLoop("cosmos-fault-proxy")
        self._runner: web.ServerRunner
        self._session: aiohttp.ClientSession

    @property
    def endpoint(self) -> str:
        return f"https://127.0.0.1:{self.port}/"

    def __enter__(self) -> Self:
        self._loop.start()
        self._loop.run(self._open())
        return self

    def __exit__(self, *exc: type[BaseException] | BaseException | TracebackType | None) -> None:
        self._loop.run(self._close())
        self._loop.stop()

    # --- what it does to requests -----------------------------------------------------------------

    def inject(
        self,
        fault: Fault,
        *operations: Operation,
        path: str = "",
        times: int | None = None,
        for_seconds: float | None = None,
    ) -> None:
        """The fault is done to requests of these operations (none named: all) whose path has `path`
        in it, a regular expression: so many times, or for so long, or until `heal`. Of several that
        match, the first given counts.
        """
        until = None if for_seconds is None else time.monotonic() + for_seconds
        rule = _Rule(
            fault=fault, operations=operations, path=re.compile(path), left=times, until=until
        )
        with self._lock:
            self._rules.append(rule)

    def heal(self) -> None:
        """Everything reaches the account again, at once."""
        with self._lock:
            self._rules.clear()

    @contextmanager
    def broken(self, fault: Fault, *operations: Operation, path: str = "") -> Iterator[None]:
        """The fault is done while the context lasts; all faults end with it."""
        self.inject(fault, *operations, path=path)
        try:
            yield
        finally:
            self.heal()

    def _fault_for(self, operation: Operation, path: str) -> Fault | None:
        with self._lock:
            self.requests[operation] += 1
            for rule in self._rules:
                if _applies(rule, operation, path):
                    if rule.left is not None:
                        rule.left -= 1
                    self.faults[operation] += 1
                    return rule.fault
        return None

    # --- on the proxy's own thread ----------------------------------------------------------------

    async def _open(self) -> None:
        trusted = ssl.create_default_context(cafile=str(self._emulator.ca_file))
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(ssl=trusted, limit=0),
            auto_decompress=False,
            trust_env=False,
        )
        own = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        own.load_cert_chain(self._emulator.certificate_file, self._emulator.key_file)
        self._runner = web.ServerRunner(
            web.Server(self._handle), handle_signals=False, shutdown_timeout=0.1
        )
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0, ssl_context=own)
        await site.start()
        self.port = self._runner.addresses[0][1]

    async def _close(self) -> None:
        await self._runner.cleanup()
        await self._session.close()

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        match self._fault_for(_operation(request), request.path):
            case Refuse(status=status, headers=headers):
                body = {"code": str(status), "message": "a fault of the test's"}
                return web.json_response(body, status=status, headers=headers)
            case Drop(applied=applied):
                if applied:
                    await self._forwarded(request)
                return _dropped(request)
            case Delay(seconds=seconds):
                await asyncio.sleep(seconds)
        return await self._forwarded(request)

    async def _forwarded(self, request: web.BaseRequest) -> web.StreamResponse:
        headers = {
            name: value
            for name, value in request.headers.items()
            if name.lower() not in _NOT_FORWARDED
        }
        url = f"{self._emulator.endpoint.rstrip('/')}{request.rel_url}"
        try:
            async with self._session.request(
                request.method,
                url,
                headers=headers,
                data=await request.read(),
                allow_redirects=False,
            ) as answer:
                body = await answer.read()
        except aiohttp.ClientError:
            return _dropped(request)
        if request.path == "/":
            # The account names the address that its clients go to next: ours.
            body = body.replace(f":{self._emulator.port}/".encode(), f":{self.port}/".encode())
        kept = {
            name: value
            for name, value in answer.headers.items()
            if name.lower() not in _NOT_FORWARDED
        }
        return web.Response(body=body, status=answer.status, headers=kept)


def _applies(rule: _Rule, operation: Operation, path: str) -> bool:
    is_spent = rule.left == 0 or (rule.until is not None and time.monotonic() >= rule.until)
    return (
        not is_spent
        and (not rule.operations or operation in rule.operations)
        and bool(rule.path.search(path))
    )


def _operation(request: web.BaseRequest) -> Operation:
    if request.path == "/":
        return "account"
    match request.method:
        case "PUT":
            return "replace"
        case "DELETE":
            return "delete"
        case "POST" if request.headers.get("x-ms-documentdb-isquery", "").lower() == "true":
            return "query"
        case "POST" if request.headers.get("x-ms-documentdb-is-upsert", "").lower() == "true":
            return "upsert"
        case "POST":
            return "create"
    return "read"


def _dropped(request: web.BaseRequest) -> web.Response:
    """What is sent on a connection that is closed already."""
    if request.transport:
        request.transport.abort()
    return web.Response(status=500)
