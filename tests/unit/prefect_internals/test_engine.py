"""What the engine's private parts do, on the real ones."""

import inspect
import logging
import signal
import threading
from contextlib import AbstractContextManager
from typing import Any
from uuid import uuid4

import pytest
from prefect import flow, flow_engine
from prefect.client.schemas.objects import FlowRun, State
from prefect.exceptions import Pause
from prefect.flow_engine import AsyncFlowRunEngine
from prefect.logging.loggers import flow_run_logger
from prefect.states import Running, Suspended

from blocks.prefect_internals import suspension
from blocks.prefect_internals.engine import flow_parameters, no_sigterm_handler
from blocks.prefect_internals.log_lines import ENGINES_LOGGER, NO_ERRORS, as_information
from deployments.worker.in_process_engine import InProcessFlowRunEngine


def _capture_sigterm() -> AbstractContextManager[None]:
    """As the engine finds it now."""
    found: AbstractContextManager[None] = vars(flow_engine)["capture_sigterm"]()
    return found


@flow
async def sample(first: int, second: int = 2) -> None:
    """Has one default."""


def test_parameters_of_a_run_come_with_the_flows_defaults() -> None:
    run = FlowRun(flow_id=uuid4(), parameters={"first": 1})

    assert {"first": 1, "second": 2} == flow_parameters(sample, run)


@pytest.mark.parametrize("parameters", [{}, {"first": 1, "third": 3}])
def test_parameters_that_do_not_fit_are_a_type_error(parameters: dict[str, int]) -> None:
    with pytest.raises(TypeError):
        flow_parameters(sample, FlowRun(flow_id=uuid4(), parameters=parameters))


def test_without_the_patch_the_engine_takes_over_sigterm_and_with_it_does_not() -> None:
    before = signal.getsignal(signal.SIGTERM)
    with _capture_sigterm():
        assert before != signal.getsignal(signal.SIGTERM)
    with no_sigterm_handler(), _capture_sigterm():
        assert before == signal.getsignal(signal.SIGTERM)
    with _capture_sigterm():
        assert before != signal.getsignal(signal.SIGTERM)


def test_the_engine_looks_up_what_is_patched_in_its_modules_globals() -> None:
    begins = inspect.unwrap(AsyncFlowRunEngine.initialize_run)

    assert begins.__globals__ is vars(flow_engine)
    assert "capture_sigterm" in begins.__code__.co_names


def test_an_engine_without_heartbeat_seconds_starts_no_thread() -> None:
    engine = InProcessFlowRunEngine(flow=sample, flow_run=FlowRun(flow_id=uuid4(), state=Running()))
    threads = threading.active_count()

    with flow_engine._send_heartbeats(engine, join_on_exit=False):
        assert threads == threading.active_count()
    assert "heartbeat_seconds" in inspect.unwrap(flow_engine._send_heartbeats).__code__.co_names


def test_a_registered_run_is_suspended_and_any_other_is_not() -> None:
    run_id, request = uuid4(), suspension.SuspensionRequest()
    request.raise_if_requested()

    with suspension.registered(run_id, request):
        assert not suspension.suspend_at_next_task(uuid4(), Suspended())
        request.raise_if_requested()

        assert suspension.suspend_at_next_task(run_id, Suspended())
        with pytest.raises(Pause):
            request.raise_if_requested()
    assert not suspension.suspend_at_next_task(run_id, Suspended())


def test_an_engine_waits_for_the_request_that_is_registered() -> None:
    run = FlowRun(id=uuid4(), flow_id=uuid4(), state=Running())
    engine = InProcessFlowRunEngine(flow=sample, flow_run=run)

    with engine.setup_flow_run_suspension_request() as request:
        assert suspension.suspend_at_next_task(run.id, Suspended())
        assert request is engine._get_flow_run_suspension_request()
        assert request.is_requested()


def test_the_engines_last_log_line_is_known_by_its_text() -> None:
    ends = inspect.unwrap(AsyncFlowRunEngine.initialize_run).__code__

    assert "Finished in state " in ends.co_consts
    assert NO_ERRORS == (f"Finished in state {Suspended()}", f"Finished in state {Running()}")


def test_the_line_of_a_suspension_with_a_message_is_known_and_is_no_error() -> None:
    states: list[State[Any]] = [Suspended(), Suspended(message="Waits for ann"), Running()]
    for state in states:
        line = logging.LogRecord("x", logging.ERROR, "", 0, f"Finished in state {state}", (), None)
        assert as_information(line)
        assert (logging.INFO, "INFO") == (line.levelno, line.levelname)

    failed = logging.LogRecord("x", logging.ERROR, "", 0, "Finished in state Failed()", (), None)
    assert as_information(failed)
    assert logging.ERROR == failed.levelno


def test_the_engine_logs_where_the_level_of_that_line_is_mended() -> None:
    assert ENGINES_LOGGER == flow_run_logger(flow_run_id=uuid4()).logger.name
