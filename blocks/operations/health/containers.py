"""Containers, as the Docker engine knows them: https://docs.docker.com/reference/api/engine/."""

import asyncio
from collections.abc import Sequence
from fnmatch import fnmatchcase
from typing import TypeVar

import httpx
import msgspec

from blocks.contracts.events import JsonObject
from blocks.observability.plain_text import shortened
from blocks.operations.http import Request, ServiceFailed, answering, client, parts_of
from blocks.operations.work import NotConfigured
from blocks.settings.operations import HealthMonitoring

T = TypeVar("T")

_BYTES_MAX = 16 * 1024 * 1024
_KEPT_RUNNING = ("always", "unless-stopped")


class _Health(msgspec.Struct, frozen=True, rename="pascal"):
    status: str = "none"
    failing_streak: int = 0


class _State(msgspec.Struct, frozen=True, rename="pascal"):
    status: str
    exit_code: int = 0
    health: _Health | None = None


class _RestartPolicy(msgspec.Struct, frozen=True, rename="pascal"):
    name: str = ""


class _HostConfig(msgspec.Struct, frozen=True, rename="pascal"):
    restart_policy: _RestartPolicy = _RestartPolicy()


class _Container(msgspec.Struct, frozen=True, rename="pascal"):
    name: str
    state: _State
    host_config: _HostConfig = _HostConfig()


class _Listed(msgspec.Struct, frozen=True, rename="pascal"):
    id: str


async def check_containers(settings: HealthMonitoring) -> JsonObject:
    """Every container of the settings was looked at: whether it runs and its health check passes.

    Returns `containersChecked`, `healthy`, `unhealthy`, `allHealthy` and `services`, one entry a
    container; `engineError` if the engine does not answer. Raises `NotConfigured` where no
    engine and no containers are named.
    """
    patterns = [name.strip() for name in settings.containers.split(",") if name.strip()]
    if not patterns and not settings.docker_socket:
        raise NotConfigured("HEALTH_MONITORING_DOCKER_SOCKET names no Docker engine")
    services, error = list[JsonObject](), JsonObject()
    try:
        services = _looked_at(await _all(settings), patterns)
    except ServiceFailed as problem:
        error = {"engineError": str(problem)}
    healthy = sum(service["status"] == "healthy" for service in services)
    return {
        "containersChecked": len(services),
        "healthy": healthy,
        "unhealthy": len(services) - healthy,
        "allHealthy": not error and healthy == len(services),
        "services": services,
        **error,
    }


def _looked_at(containers: Sequence[_Container], patterns: Sequence[str]) -> list[JsonObject]:
    watched = [
        container
        for container in containers
        if (_is_named(container, patterns) if patterns else _is_meant_to_run(container))
    ]
    entries = [_entry(_name(one), one.state.status, _problem(one)) for one in watched]
    missing = [
        _entry(pattern, "missing", "there is no such container")
        for pattern in patterns
        if not any(fnmatchcase(_name(one), pattern) for one in containers)
    ]
    return sorted(entries, key=lambda entry: str(entry["name"])) + missing


def _is_named(container: _Container, patterns: Sequence[str]) -> bool:
    return any(fnmatchcase(_name(container), pattern) for pattern in patterns)


def _is_meant_to_run(container: _Container) -> bool:
    """One that ended well, and that the engine would not start again, has done its work."""
    return (
        container.state.status not in ("created", "exited", "removing")
        or container.state.exit_code != 0
        or container.host_config.restart_policy.name in _KEPT_RUNNING
    )


def _problem(container: _Container) -> str | None:
    state = container.state
    match state.status:
        case "running" if state.health and state.health.status == "unhealthy":
            return f"its health check failed {state.health.failing_streak} times in a row"
        case "running":
            return None
        case "exited" | "dead":
            return f"it is stopped, with exit code {state.exit_code}"
        case "restarting":
            return f"it ends and is started again, with exit code {state.exit_code}"
        case other:
            return f"it is {other}"


def _entry(name: str, state: str, problem: str | None) -> JsonObject:
    entry: JsonObject = {
        "name": name,
        "status": "unhealthy" if problem else "healthy",
        "state": state,
    }
    return {**entry, "error": problem} if problem else entry


def _name(container: _Container) -> str:
    return container.name.removeprefix("/")


# --- the engine -----------------------------------------------------------------------------------


async def _all(settings: HealthMonitoring) -> list[_Container]:
    """Raises `ServiceFailed`."""
    places = asyncio.Semaphore(settings.at_once)
    async with client(settings.at_once, socket=settings.engine_socket) as engine:

        async def inspected(id: str) -> _Container | None:
            async with places:
                return await _get(engine, f"/containers/{id}/json", _Container, settings)

        listed = await _get(engine, "/containers/json?all=true", list[_Listed], settings)
        found = await asyncio.gather(*(inspected(one.id) for one in listed or []))
    return [container for container in found if container]


async def _get(
    engine: httpx.AsyncClient, path: str, kind: type[T], settings: HealthMonitoring
) -> T | None:
    """None: it was removed meanwhile. Raises `ServiceFailed`."""
    request = Request(service="it", url=f"http://docker{path}", limit_seconds=settings.call_seconds)
    async with answering(engine, request) as response:
        body = b"".join([part async for part in parts_of(request, response, _BYTES_MAX)])
    if response.status_code == httpx.codes.NOT_FOUND:
        return None
    if not response.is_success:
        raise ServiceFailed(f"it answered {response.status_code}")
    try:
        return msgspec.json.decode(body, type=kind)
    except msgspec.DecodeError as error:
        raise ServiceFailed(f"its answer cannot be read: {shortened(str(error), 100)}") from None
