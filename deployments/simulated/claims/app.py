"""The routes of the simulated claim services, and those that tests look at and switch faults
with.
"""

import asyncio
import random
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec
from litestar import Litestar, MediaType, Request, Response, delete, get, post
from litestar.handlers import HTTPRouteHandler

from blocks.claims.asking.calls import ANSWER_BYTES_MAX
from blocks.claims.asking.failed import Service
from blocks.claims.services import ROUTES
from blocks.contracts.events import JsonObject
from blocks.settings import Simulators
from deployments.simulated.claims.faults import Fault, Faults
from deployments.simulated.claims.work import BadRequest, Work

AnyRequest = Request[Any, Any, Any]


class ClaimSimulator:
    """The services, their faults and what they remember. Lives as long as its process."""

    def __init__(self, delays: Simulators, work: Work | None = None) -> None:
        self.work = work or Work()
        self.faults = Faults()
        self._delays = delays

    async def answer(self, service: Service, request: AnyRequest) -> Response[bytes]:
        """The answer after the time that such work takes, unless a fault strikes."""
        body = _read(await request.body())
        user_id = str(body.get("user_id") or body.get("userId") or "")
        self.work.requests[service, user_id] += 1
        fault = self.faults.strike(service, user_id)
        is_later = fault is not None and fault.kind == "later"
        if fault is None or is_later or fault.after_work:
            key = request.headers.get("idempotency-key", "")
            answer = self.work.do(service, body, key, later=is_later)
        if fault is not None and not is_later:
            return await _struck(fault, request)
        await asyncio.sleep(
            random.uniform(self._delays.min_delay_seconds, self._delays.max_delay_seconds)
        )
        return _json(200, answer)


def create_app(simulator: ClaimSimulator) -> Litestar:
    """Every service at its documented path, and `/simulated/…` for tests."""
    return Litestar(
        [*(_route(simulator, service) for service in ROUTES), *_for_tests(simulator)],
        exception_handlers={BadRequest: _refused},
        openapi_config=None,
        logging_config=None,
    )


def _route(simulator: ClaimSimulator, service: Service) -> HTTPRouteHandler:
    async def answer(request: AnyRequest) -> Response[bytes]:
        return await simulator.answer(service, request)

    return post(ROUTES[service][1], status_code=200, name=service)(answer)


def _for_tests(simulator: ClaimSimulator) -> list[HTTPRouteHandler]:
    @get("/health", sync_to_thread=False)
    def read_health() -> dict[str, str]:
        return {"status": "ok", "service": "simulated claim services"}

    @get("/simulated/charges", sync_to_thread=False)
    def list_charges(request: AnyRequest) -> Response[bytes]:
        claim_id = request.query_params.get("claim_id")
        return _json(200, {"charges": simulator.work.charges(claim_id)})

    @get("/simulated/requests", sync_to_thread=False)
    def count_requests(request: AnyRequest) -> dict[str, int]:
        user_id = request.query_params.get("user_id")
        counted = dict.fromkeys(ROUTES, 0)
        for (service, user), number in simulator.work.requests.items():
            counted[service] += number if user_id in (None, user) else 0
        return {str(service): number for service, number in counted.items()}

    @post("/simulated/faults", status_code=204)
    async def set_fault(request: AnyRequest) -> None:
        try:
            simulator.faults.set(msgspec.json.decode(await request.body(), type=Fault))
        except msgspec.DecodeError as error:
            raise BadRequest(str(error)) from None

    @delete("/simulated/faults", sync_to_thread=False)
    def clear_faults() -> None:
        simulator.faults.clear()

    return [read_health, list_charges, count_requests, set_fault, clear_faults]


async def _struck(fault: Fault, request: AnyRequest) -> Response[bytes]:
    match fault.kind:
        case "hang":
            await _until_gone(request)
            return _json(504, {"error": "the client has gone"})
        case "garbage":
            return Response(b"<html>It works!</html>", media_type=MediaType.HTML)
        case "huge":
            return Response(
                b'{"pad":"' + b"x" * ANSWER_BYTES_MAX + b'"}', media_type=MediaType.JSON
            )
        case "declined":
            return _json(200, {"success": False, "error": "simulated: nothing was done"})
        case "answer":
            return _json(200, fault.answer)
    headers = {} if fault.retry_after is None else {"Retry-After": fault.retry_after}
    return _json(fault.status, {"success": False, "error": "simulated failure"}, headers)


async def _until_gone(request: AnyRequest) -> None:
    receive: Callable[[], Awaitable[Any]] = request.receive
    while (await receive())["type"] != "http.disconnect":
        pass


def _read(body: bytes) -> JsonObject:
    try:
        return msgspec.json.decode(body, type=JsonObject)
    except msgspec.DecodeError:
        raise BadRequest("the body must be a JSON object") from None


def _refused(request: AnyRequest, error: BadRequest) -> Response[bytes]:
    return _json(error.status, {"success": False, "error": str(error)})


def _json(status: int, content: Any, headers: dict[str, str] | None = None) -> Response[bytes]:
    return Response(
        msgspec.json.encode(content),
        status_code=status,
        media_type=MediaType.JSON,
        headers=headers,
    )
