"""The service `docker-worker` of compose.yaml, as a container of the engine: it starts a run of log
rotation.
"""

import gzip
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from prefect.client.orchestration import PrefectClient

from blocks.contracts import jobs
from deployments.bootstrap.docker_runs import passed_on
from deployments.bootstrap.prefect_yaml import PREFECT_YAML
from tests.support.operations.docker_engine import DockerEngine
from tests.support.operations.docker_runs import (
    BACKUP,
    JOB,
    NETWORK,
    ROTATION,
    USER,
    execution_of,
    pause_schedules,
    prefect_command,
    runs_of,
)
from tests.support.operations.orchestrator_image import IMAGE
from tests.support.system.orchestra import Orchestra

pytestmark = [pytest.mark.slow, pytest.mark.docker]

COMPOSE = PREFECT_YAML.parent / "deployments" / "docker" / "compose.yaml"
SERVICE = yaml.safe_load(COMPOSE.read_text())["services"]["docker-worker"]
POOL = "${PREFECT_WORK_POOL:-workflow-orchestrator}"
SOCKET = "/var/run/docker.sock"


@pytest.fixture
def compose_worker(parts: Orchestra, engine: DockerEngine) -> Iterator[str]:
    """The container of the service, by the options that compose.yaml has for it."""
    assert ([f"{SOCKET}:{SOCKET}"], True) == (SERVICE["volumes"], SERVICE["read_only"])
    pool = parts.settings.prefect.work_pool
    program, *arguments = [word.replace(POOL, pool) for word in SERVICE["entrypoint"]]
    ours = {name: parts.environment[name] for name in passed_on(parts.environment)}
    ours |= {
        "PREFECT_API_URL": parts.environment["PREFECT_API_URL"],
        "PREFECT_HOME": SERVICE["environment"]["PREFECT_HOME"],
    }
    id = engine.docker(
        *("run", "--detach", "--network", NETWORK, "--memory", SERVICE["mem_limit"], "--read-only"),
        *(f"--tmpfs={path}" for path in SERVICE["tmpfs"]),
        *(f"--cap-drop={one}" for one in SERVICE["cap_drop"]),
        *(f"--security-opt={one}" for one in SERVICE["security_opt"]),
        *("--group-add", str(Path(engine.socket).stat().st_gid)),
        *("--volume", f"{engine.socket}:{SOCKET}"),
        *(f"--env={name}={value}" for name, value in ours.items()),
        *("--entrypoint", program, IMAGE, *arguments),
    )
    yield id
    engine.docker("rm", "--force", id)


async def test_it_starts_a_container_that_rotates_a_log(
    parts: Orchestra, prefect: PrefectClient, engine: DockerEngine, compose_worker: str
) -> None:
    name = f"{ROTATION}/{ROTATION}-docker"
    await pause_schedules(
        parts, prefect, f"{BACKUP}/{BACKUP}-docker", f"{jobs.WORKFLOW}/{JOB}-docker"
    )
    logs = Path(parts.settings.data_dir) / "logs"
    (logs / "web.log").write_text("one\ntwo\n")
    os.chown(logs / "web.log", USER, USER)

    try:
        await prefect_command(parts, "deployment", "run", name, "--watch")
    except (AssertionError, TimeoutError) as error:
        raise AssertionError(f"{error}\n{engine.docker('logs', compose_worker)}") from None

    [run] = [run for run in await runs_of(prefect, name) if not run.auto_scheduled]
    execution = await execution_of(parts, ROTATION, run)
    assert "completed" == execution.status
    assert (1, 1) == (
        (execution.results or {})["rotate-logs"]["logsRotated"],
        (execution.results or {})["compress-old"]["filesCompressed"],
    )
    [rotated] = logs.glob("*.gz")
    assert b"one\ntwo\n" == gzip.decompress(rotated.read_bytes())
