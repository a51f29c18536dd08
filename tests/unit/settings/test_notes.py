"""What a configuration file has that sets nothing is shown where an operator looks."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from blocks.settings import load_settings
from deployments.doctor.checks.configuration import configuration
from deployments.doctor.connections import Connections

FILE = "rabbitmq: {queue: bi_batch_jobs}\njwt: {expiration: 7d}\n"
WARNING = (
    "rabbitmq.queue is bi_batch_jobs, which the batch workers read: taken for "
    "rabbitmq.batch_jobs_queue; the listener reads workflow_orchestrator_service"
)
INFO = "jwt.expiration in own.yaml has no effect: no tokens are issued here, and the `exp` of each"

STARTS = """
from blocks.settings import load_settings
from deployments.logs import configure_logging_of
configure_logging_of(load_settings(), "listener")
"""


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    (tmp_path / "own.yaml").write_text(FILE)
    return {"ORCHESTRATOR_CONFIG": str(tmp_path / "own.yaml")}


def test_a_process_logs_it_once_when_it_starts(environment: dict[str, str]) -> None:
    run = subprocess.run(
        [sys.executable, "-c", STARTS],
        env={"PATH": os.environ["PATH"], **environment},
        capture_output=True,
        text=True,
        check=True,
    )

    [info, warning] = run.stderr.splitlines()
    assert "WARNING listener" in warning
    assert WARNING in warning
    assert "INFO    listener" in info
    assert INFO in info


async def test_the_doctor_warns_of_what_is_to_be_corrected(environment: dict[str, str]) -> None:
    known, wrong = await configuration(Connections(load_settings(environment)))

    assert ("settings", "warning", WARNING) == (wrong.part, wrong.state, wrong.found)
    assert "docs/deploy.md" in wrong.todo
    assert ("ok", True) == (known.state, known.found.startswith(INFO))


async def test_the_doctor_finds_nothing_where_there_is_no_file() -> None:
    [finding] = await configuration(Connections(load_settings({})))

    assert ("settings", "ok") == (finding.part, finding.state)
