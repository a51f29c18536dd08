"""The demo of operations: what it shows of a run, and that nothing of the user's reaches it."""

import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from blocks.contracts.operations import OPERATIONS
from blocks.operations.performance.redis_server import RedisFailed, connected
from blocks.settings import load_settings
from deployments.cli.demo.operations import folder, servers
from deployments.cli.demo.operations.lines import Shown, done_in, summary_table
from deployments.printing import console
from deployments.simulated.platform.app import Platform, create_app, settings_at
from deployments.simulated.serving import served


def a_run(workflow: str = "log-rotation", **changes: Any) -> dict[str, Any]:
    return {
        "runId": "run_1",
        "workflowId": workflow,
        "executionId": "e",
        "status": "completed",
        "startedAt": "2026-11-29T00:00:00+00:00",
        "completedAt": "2026-11-29T00:00:01.500000+00:00",
        "stepResults": {},
        **changes,
    }


SKIPPED = {"skipped": True, "reason": "there is no Docker engine"}


@pytest.fixture
async def platform() -> AsyncIterator[tuple[Platform, httpx.AsyncClient]]:
    services = Platform()
    async with (
        served(create_app(services), "127.0.0.1", 0) as url,
        httpx.AsyncClient(base_url=url) as client,
    ):
        yield services, client


def test_a_step_that_had_nothing_to_do_is_shown_with_its_reason() -> None:
    rotated = {"success": True, "logsRotated": 2, "bytesRotated": 4_000}
    run = a_run(stepResults={"check-containers": SKIPPED, "rotate-logs": rotated})

    assert "check-containers skipped: there is no Docker engine; 2 logs rotated, 4.0 kB" == done_in(
        run
    )


def test_an_error_is_shown_behind_what_was_done() -> None:
    assert "disk full" == done_in(a_run(status="failed", error="disk full"))


def test_a_run_whose_every_step_was_skipped_is_skipped() -> None:
    assert "skipped" == Shown(a_run(stepResults={"cleanup": SKIPPED}), "").outcome


def test_the_table_names_outcome_time_and_page_of_each_run(
    capsys: pytest.CaptureFixture[str],
) -> None:
    runs = [Shown(a_run(one.id), f"http://prefect/{one.id}") for one in reversed(OPERATIONS)]

    console().print(summary_table(runs))

    shown = capsys.readouterr().out
    for operation in OPERATIONS:
        assert f"http://prefect/{operation.id}" in shown
    assert 10 == shown.count("completed  1.5 s")
    assert shown.index("cms-sync") < shown.index("security-audit")


def test_nothing_of_the_users_settings_is_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    inherited = dict(os.environ)
    monkeypatch.setenv("DATABASE_URL", "postgresql://theirs@db/theirs")
    monkeypatch.setenv("RABBITMQ_URL", "amqp://theirs")
    monkeypatch.setenv("SMTP_URL", "smtp://theirs")
    try:
        folder.use_only(folder.prepare(tmp_path))
        settings = load_settings()
    finally:
        os.environ.clear()
        os.environ.update(inherited)

    assert "theirs" not in "".join(
        (
            settings.operations.database_backup.database_url,
            settings.rabbitmq.url,
            settings.notifications.smtp_url,
        )
    )
    assert settings.data_dir.startswith(str(tmp_path))


async def test_a_server_that_is_not_installed_is_left_out_with_the_reason(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))

    with pytest.raises(servers.NotHere, match="redis-server is not installed"):
        async with servers.redis(tmp_path):
            raise AssertionError("there is none")


async def test_a_server_of_the_demo_answers_its_own_settings_and_leaves_nothing(
    tmp_path: Path,
) -> None:
    async with servers.redis(tmp_path) as settings:
        url = settings["REDIS_URL"]
        async with connected(url) as client:
            assert 301 == await client.dbsize()

    with pytest.raises(RedisFailed):
        async with connected(url) as client:
            await client.dbsize()


async def test_the_simulated_cms_answers_a_conditional_request_with_304(
    platform: tuple[Platform, httpx.AsyncClient],
) -> None:
    _, client = platform
    first = await client.get("/api/services")

    again = await client.get("/api/services", headers={"If-None-Match": first.headers["ETag"]})

    assert (200, 304) == (first.status_code, again.status_code)


async def test_the_simulated_hub_takes_a_message_once_for_each_key(
    platform: tuple[Platform, httpx.AsyncClient],
) -> None:
    services, client = platform
    message = {"channel": "email", "recipient": "ann@shop.example", "body": "Hello"}
    answers = [
        await client.post("/api/messages/send", json=message, headers={"Idempotency-Key": "k"})
        for _ in range(2)
    ]

    assert [201, 201] == [answer.status_code for answer in answers]
    assert [message] == list(services.messages.values())


def test_the_simulated_services_are_settings_that_this_system_takes() -> None:
    settings = load_settings(settings_at("http://127.0.0.1:8040"))

    assert 4 == len(settings.operations.health_monitoring.endpoints.split(","))
