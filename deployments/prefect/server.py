"""How the embedded Prefect server is run, and how every process of ours reaches Prefect.

Nothing here imports Prefect: these are the environment variables it reads when it is first
imported.
"""

import asyncio
import os
import sys
import time
from collections.abc import Callable
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from blocks.observability.redaction import masked_url
from blocks.ports import Unavailable
from blocks.settings import Prefect, Settings, links
from blocks.settings.environment.secret_files import give_to_libraries

if TYPE_CHECKING:
    import httpx

LOGGING = Path(__file__).with_name("prefect_logging.yml")

COMMAND = (sys.executable, "-m", "deployments.prefect.embedded", "server", "start")


class Tuning(msgspec.Struct, frozen=True):
    """One server setting that differs from Prefect's default, and why."""

    name: str
    value: str
    reason: str


SERVER_TUNING = (
    Tuning("PREFECT_SERVER_ANALYTICS_ENABLED", "false", "nothing is sent outside"),
    Tuning("PREFECT_SERVER_UI_SHOW_PROMOTIONAL_CONTENT", "false", "the UI is for operators"),
    Tuning(
        "PREFECT_SERVER_SERVICES_TASK_RUN_RECORDER_READ_BATCH_SIZE",
        "200",
        "the default is one event per read",
    ),
    Tuning(
        "PREFECT_SERVER_SERVICES_TASK_RUN_RECORDER_BATCH_SIZE",
        "200",
        "the default is one commit per task event",
    ),
    Tuning(
        "PREFECT_SERVER_SERVICES_TASK_RUN_RECORDER_FLUSH_INTERVAL",
        "1",
        "the UI shows task runs after a second",
    ),
    Tuning(
        "PREFECT_SERVER_SERVICES_EVENT_PERSISTER_READ_BATCH_SIZE",
        "200",
        "the default is one event per read",
    ),
    Tuning(
        "PREFECT_SERVER_SERVICES_EVENT_PERSISTER_BATCH_SIZE",
        "500",
        "SQLite has one writer: few, large commits",
    ),
    Tuning(
        "PREFECT_SERVER_SERVICES_EVENT_PERSISTER_MAX_FLUSH_RETRIES",
        "1000",
        "by default events are dropped after five failed writes, 25 s without a database",
    ),
    Tuning(
        "PREFECT_SERVER_SERVICES_DB_VACUUM_ENABLED",
        "events,flow_runs",
        "by default only events are ever deleted; ended runs go after 90 days",
    ),
    Tuning(
        "PREFECT_SERVER_SERVICES_TRIGGERS_READ_BATCH_SIZE",
        "200",
        "the default is one event per read",
    ),
)


def is_embedded(settings: Settings) -> bool:
    """No Prefect server was named (PREFECT_API_URL), so `orchestrator up` runs its own."""
    return not settings.prefect.api_url


def api_url(settings: Settings) -> str:
    """Where Prefect's API is: as configured, else where the embedded server listens."""
    return (
        settings.prefect.api_url.rstrip("/") or f"http://127.0.0.1:{settings.prefect.ui_port}/api"
    )


def ui_url(settings: Settings) -> str:
    return api_url(settings).removesuffix("/api")


def flow_run_url(settings: Settings, flow_run_id: str | None) -> str | None:
    """The run's page in Prefect's UI; None: there is no run."""
    return links.flow_run_url(prefect_of(settings), flow_run_id)


def prefect_of(settings: Settings) -> Prefect:
    """The settings of Prefect with the address at which its API is reached from here."""
    return msgspec.structs.replace(settings.prefect, api_url=api_url(settings))


def server_environment(settings: Settings) -> dict[str, str]:
    """What the embedded server is started with; a variable that is already set wins over the tuning
    above.
    """
    tuned = {tuning.name: os.environ.get(tuning.name, tuning.value) for tuning in SERVER_TUNING}
    return tuned | {
        "PREFECT_HOME": _home(settings),
        "PREFECT_API_URL": api_url(settings),
        # Prefect's API knows no tenants and no users: never expose it
        "PREFECT_SERVER_API_HOST": "127.0.0.1",
        # the default lets every web page read the API
        "PREFECT_SERVER_CORS_ALLOWED_ORIGINS": ui_url(settings),
        "PREFECT_SERVER_API_PORT": str(settings.prefect.ui_port),
        "PREFECT_LOGGING_SETTINGS_PATH": str(LOGGING),
        "LOG_FORMAT": settings.log_format,
        "PREFECT_PLUGINS_ENABLED": "false",
        "DO_NOT_TRACK": "1",
    }


def client_environment(settings: Settings) -> dict[str, str]:
    """What every process that talks to Prefect is started with."""
    return {
        "PREFECT_HOME": os.environ.get("PREFECT_HOME") or _home(settings),
        "PREFECT_API_URL": api_url(settings),
        "PREFECT_LOGGING_SETTINGS_PATH": str(LOGGING),
        # a missing server is an error, not a reason to start another
        "PREFECT_SERVER_EPHEMERAL_ENABLED": "false",
        # ours is for `prefect deploy`, and a process that has begun a loop cannot run any
        "PREFECT_PLUGINS_ENABLED": "false",
        "DO_NOT_TRACK": "1",
    }


def use_prefect(settings: Settings) -> Settings:
    """These settings with Prefect's address filled in, and this process's environment to match.

    Prefect reads its environment when it is first imported: call this before.
    """
    give_to_libraries()
    os.environ.update(client_environment(settings))
    prefect = msgspec.structs.replace(settings.prefect, api_url=api_url(settings))
    return msgspec.structs.replace(settings, prefect=prefect)


async def wait_until_healthy(settings: Settings, *, limit_seconds: float) -> None:
    """Prefect's API answers. Raises `Unavailable` if it still does not when the
    limit has passed.
    """
    await _wait_until(settings, "/health", lambda response: response.is_success, limit_seconds)


async def wait_for_work_pool(settings: Settings, *, limit_seconds: float) -> None:
    """Prefect's API answers and has our work pool. Raises `Unavailable` when the
    limit has passed.
    """
    path = f"/work_pools/{settings.prefect.work_pool}"
    await _wait_until(
        settings, path, lambda response: response.status_code != HTTPStatus.NOT_FOUND, limit_seconds
    )


async def _wait_until(
    settings: Settings,
    path: str,
    is_enough: "Callable[[httpx.Response], bool]",
    limit_seconds: float,
) -> None:
    import httpx

    url, deadline = api_url(settings), time.monotonic() + limit_seconds
    async with httpx.AsyncClient(timeout=5) as client:
        while True:
            try:
                response = await client.get(f"{url}{path}")
                problem = f"status {response.status_code} for {path}"
                if is_enough(response):
                    return
            except (httpx.HTTPError, httpx.InvalidURL) as error:
                problem = type(error).__name__
            if time.monotonic() >= deadline:
                raise Unavailable(
                    f"Prefect does not answer at {masked_url(url)} (PREFECT_API_URL): {problem}"
                )
            await asyncio.sleep(0.1)


def _home(settings: Settings) -> str:
    return str(Path(settings.data_dir).absolute() / "prefect")
