"""The container image as `make image` builds it: built, looked at, and run with its embedded parts,
locked down.

Needs a Docker engine that answers, and a base image: one named by BASE, one that can be pulled, or
one that debootstrap makes from Debian's packages. What is missing is the reason of the skip.
"""

import json
import os
import re
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.factories import A_TENANT, new_id

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[3]
IMAGE = "workflow-orchestrator:test"
PULLED_BASE = "python:3.11-slim-bookworm"
MADE_BASE = "workflow-orchestrator-base:bookworm"
START_LIMIT_SECONDS = 90.0
LOCKED_DOWN = ("--read-only", "--tmpfs=/tmp", "--cap-drop=ALL", "--security-opt=no-new-privileges")


class Docker:
    """One client that reaches an engine and builds with BuildKit."""

    def __init__(self, client: str) -> None:
        self._client = client

    def __call__(self, *arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        done = self._run(*arguments)
        assert done.returncode == 0 or not check, done.stdout + done.stderr
        return done

    def answers(self) -> bool:
        return self._run("info").returncode == 0

    def builds(self) -> bool:
        """A client from Docker 23 on needs the buildx plugin for that, an older one brings BuildKit
        along.
        """
        return self._run("build", "--help").returncode == 0

    def has(self, image: str) -> bool:
        return self._run("image", "inspect", image).returncode == 0

    def _run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        environment = os.environ | {"DOCKER_BUILDKIT": "1"}
        return subprocess.run(
            [self._client, *arguments],
            env=environment,
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=False,
        )


@pytest.fixture(scope="module")
def docker() -> Docker:
    found = [
        Docker(f"{folder}/docker")
        for folder in os.get_exec_path()
        if Path(folder, "docker").exists()
    ]
    if not found:
        pytest.skip("no `docker` on the PATH (Debian package docker.io)")
    answering = [client for client in found if client.answers()]
    if not answering:
        pytest.skip("no Docker engine answers: start dockerd")
    building = [client for client in answering if client.builds()]
    if not building:
        pytest.skip("this docker cannot build with BuildKit: install its buildx plugin")
    return building[0]


@pytest.fixture(scope="module")
def base(docker: Docker, tmp_path_factory: pytest.TempPathFactory) -> str:
    """An image with Python and venv to build on."""
    if named := os.environ.get("BASE"):
        return named
    for image in (PULLED_BASE, MADE_BASE):
        if docker.has(image):
            return image
    if docker("pull", "--quiet", PULLED_BASE, check=False).returncode == 0:
        return PULLED_BASE
    if os.getuid() != 0 or not shutil.which("debootstrap"):
        pytest.skip(
            f"{PULLED_BASE} cannot be pulled, and debootstrap as root is not there to make "
            "another; or set BASE"
        )
    return made_base(docker, tmp_path_factory.mktemp("base"))


def made_base(docker: Docker, folder: Path) -> str:
    packages = "--include=python3,python3-venv,ca-certificates"
    subprocess.run(
        ["debootstrap", "--variant=minbase", packages, "bookworm", str(folder / "root")], check=True
    )
    tar = (
        "tar",
        "-C",
        str(folder / "root"),
        "--exclude=./var/cache/apt/archives/*.deb",
        "-cf",
        str(folder / "root.tar"),
    )
    subprocess.run([*tar, "."], check=True)
    shutil.rmtree(folder / "root")
    docker("import", str(folder / "root.tar"), MADE_BASE)
    return MADE_BASE


@pytest.fixture(scope="module")
def image(docker: Docker, base: str) -> str:
    """Built through the host's network and trusting what its pip trusts, if that is set."""
    ca = os.environ.get("PIP_CERT")
    secret = (f"--secret=id=ca,src={ca}",) if ca else ()
    options = ("--network=host", f"--build-arg=BASE={base}", *secret, f"--tag={IMAGE}")
    docker("build", "--quiet", "--file=deployments/docker/Dockerfile", *options, ".")
    return IMAGE


@pytest.fixture(scope="module")
def stack(docker: Docker, image: str) -> Iterator[str]:
    """The id of a container that runs `orchestrator up` and is ready."""
    container = docker(
        "run", "--detach", *LOCKED_DOWN, "--volume=/data", image, "up"
    ).stdout.strip()
    try:
        until_in_logs(docker, container, "Everything runs.")
        yield container
    finally:
        docker("rm", "--force", "--volumes", container)


def until_in_logs(docker: Docker, container: str, text: str) -> None:
    deadline = time.monotonic() + START_LIMIT_SECONDS
    while text not in (logs := docker("logs", container)).stdout:
        running = (
            docker("inspect", "--format={{.State.Running}}", container).stdout.strip() == "true"
        )
        assert running, logs.stdout + logs.stderr
        assert time.monotonic() < deadline, logs.stdout + logs.stderr
        time.sleep(0.5)


def test_the_image_runs_the_command_line(docker: Docker, image: str) -> None:
    assert "Usage: orchestrator" in docker("run", "--rm", image, "--help").stdout


def test_the_image_runs_as_an_unprivileged_user(docker: Docker, image: str) -> None:
    assert "10001" == docker("run", "--rm", "--entrypoint=id", image, "-u").stdout.strip()


def test_the_image_holds_no_secret_of_its_build_and_nothing_but_the_product(
    docker: Docker, image: str
) -> None:
    listed = docker(
        "run", "--rm", "--entrypoint=ls", image, "-A", "/app", "/app/deployments", "/run"
    ).stdout.split()
    assert not {".env", ".git", "tests", "docker", "secrets"} & set(listed)


def test_every_module_is_compiled_because_no_process_can_write_bytecode_later(
    docker: Docker, image: str
) -> None:
    program = """
from pathlib import Path
import prefect
from deployments import cli
print([Path(module.__cached__).exists() for module in (prefect, cli)])
"""
    assert (
        "[True, True]"
        == docker("run", "--rm", "--entrypoint=python", image, "-c", program).stdout.strip()
    )


def test_the_demo_completes_in_a_locked_down_container(docker: Docker, stack: str) -> None:
    opportunity_id = new_id()
    demo = docker(
        "exec", stack, "orchestrator", "demo", "--tenant", A_TENANT, "--opportunity", opportunity_id
    )
    assert re.search(r"From published to completed: \d+\.\d+ s", demo.stdout)
    listed = docker(
        "exec", stack, "orchestrator", "executions", "list", "--tenant", A_TENANT, "--json"
    ).stdout
    assert [(opportunity_id, "completed")] == [
        (execution["subject"], execution["status"])
        for execution in map(json.loads, listed.splitlines())
    ]


def test_the_container_is_healthy_while_its_api_answers(docker: Docker, stack: str) -> None:
    deadline = time.monotonic() + 30
    while (
        health := docker("inspect", "--format={{.State.Health.Status}}", stack).stdout.strip()
    ) == "starting":
        assert time.monotonic() < deadline
        time.sleep(0.5)
    assert "healthy" == health


def test_stopping_the_container_stops_everything_in_order(docker: Docker, stack: str) -> None:
    """Last of the tests on the shared container: it is stopped afterwards."""
    docker("stop", "--time=60", stack)
    assert "0" == docker("inspect", "--format={{.State.ExitCode}}", stack).stdout.strip()
    stopped = re.findall(r"^  (\w+) +stopped", docker("logs", stack).stdout, re.MULTILINE)
    assert ["worker", "listener", "api", "simulators", "prefect"] == stopped
