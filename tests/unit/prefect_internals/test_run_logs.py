"""The queue of log lines for Prefect's server: bounded, and silent when the server is away."""

import logging
import queue
from collections.abc import Iterator
from contextvars import ContextVar
from typing import Any
from uuid import uuid4

import pytest
from prefect.context import FlowRunContext, TaskRunContext
from prefect.logging.handlers import APILogHandler
from prefect.settings import (
    PREFECT_API_URL,
    PREFECT_LOGGING_TO_API_BATCH_INTERVAL,
    temporary_settings,
)

from blocks.prefect_internals import run_logs
from blocks.prefect_internals.run_logs import (
    WAITING_MAX,
    RunLogHandler,
    RunLogQueue,
    outside_any_run,
    send_lines_of,
)
from tests.support.servers.ports import free_port


@pytest.fixture
def no_server() -> Iterator[None]:
    """Prefect's server is away: nothing listens at its address."""
    with temporary_settings(
        {
            PREFECT_API_URL: f"http://127.0.0.1:{free_port()}/api",
            PREFECT_LOGGING_TO_API_BATCH_INTERVAL: 0.05,
        }
    ):
        yield


def a_line() -> dict[str, object]:
    return {
        "name": "flows",
        "level": logging.INFO,
        "message": "a line",
        "timestamp": "2026-01-01T00:00:00Z",
        "flow_run_id": str(uuid4()),
    }


def test_lines_that_do_not_reach_the_server_make_one_warning_and_nothing_on_stderr(
    no_server: None, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    lines = RunLogQueue.instance()
    with caplog.at_level(logging.WARNING, run_logs.log.name):
        for _ in range(3):
            lines.send(a_line())
        lines.drain()

    warnings = [one for one in caplog.records if one.name == run_logs.log.name]
    assert ["log lines of runs do not reach Prefect: ConnectError"] == [
        one.getMessage() for one in warnings
    ]
    assert "Error logging to API" not in capfd.readouterr().err


def test_so_many_lines_wait_and_what_comes_then_is_left_out(
    caplog: pytest.LogCaptureFixture,
) -> None:
    lines = RunLogQueue("never started")
    send_lines_of((), logging.Formatter())
    assert WAITING_MAX == lines._queue.maxsize
    lines._queue = queue.Queue(maxsize=2)

    for _ in range(9):
        lines.send(a_line())

    assert 2 == lines._queue.qsize()
    assert 1 >= len([one for one in caplog.records if one.name == "RunLogQueue"])


def test_a_logger_that_sends_already_is_left_as_it_is() -> None:
    logger = logging.getLogger(f"flows.{uuid4().hex}")
    logger.addHandler(APILogHandler())

    send_lines_of((logger.name,), logging.Formatter())
    assert 1 == len(logger.handlers)

    other = logging.getLogger(f"flows.{uuid4().hex}")
    for _ in range(2):
        send_lines_of((other.name,), logging.Formatter())
    [handler] = other.handlers
    assert isinstance(handler, RunLogHandler)


def test_outside_any_run_no_line_is_a_runs() -> None:
    record = logging.LogRecord("flows", logging.INFO, __file__, 1, "a line", (), None)
    handler = RunLogHandler(logging.Formatter())
    var: ContextVar[Any] = FlowRunContext.__var__
    token = var.set("a run's context")
    try:
        assert handler.filter(record)
        assert not outside_any_run().run(handler.filter, record)
        assert outside_any_run().run(TaskRunContext.get) is None
    finally:
        var.reset(token)
