"""The system of deployments/docker/compose.yaml on a Docker engine of the tests' own."""

import asyncio
import json
import os
import signal
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import httpx
import yaml

from blocks.settings import Settings, load_settings
from deployments.bootstrap.prefect_yaml import PREFECT_YAML
from tests.support.operations.docker_engine import DockerEngine
from tests.support.operations.orchestrator_image import IMAGE
from tests.support.scale.images import IMAGES
from tests.support.servers.ports import free_port
from tests.support.waiting import eventually

ROOT = PREFECT_YAML.parent
DEPLOYMENTS = ROOT / "deployments" / "docker"
SECRET = "ofthetestsandofnothingelse"
ENCRYPTION_KEY = "b2YgdGhlIHRlc3RzIGFuZCBvZiBub3RoaW5nIGVsc2U="

ONE_SHOT = ("prefect-database", "bootstrap")
OURS = ("workflow-orchestrator", "listener", "worker", "prefect-server", *ONE_SHOT)

_SERVICE = "com.docker.compose.service"
"""The label by which the engine itself tells them apart: docker-compose takes a second to start."""

_HEALTHY_SECONDS = 600.0
_BROKER_PORT = free_port()
_SHOP = {
    "image": "${POSTGRES_IMAGE}",
    "environment": {"POSTGRES_USER": "shop", "POSTGRES_DB": "shop", "POSTGRES_PASSWORD": SECRET},
    "networks": ["inside"],
}
_BESIDES = {
    "services": {
        # A network that leads out is what lets a port be published.
        "rabbitmq": {
            "ports": [f"127.0.0.1:{_BROKER_PORT}:5672"],
            "networks": ["bus", "outside"],
        },
        # An older image does not have what it runs.
        "prefect-database": {"image": IMAGE},
        "shop": _SHOP,
    }
}
"""What the tests lay over compose.yaml: a door to the broker, and a database to back up."""


class ComposedSystem:
    """Lives from `up` to `close`. `settings` are those of a process beside the containers, which
    reaches their broker and their records.
    """

    def __init__(self, engine: DockerEngine, folder: Path, **variables: str) -> None:
        self.engine = engine
        self._program = (
            ["docker", "compose"] if engine.has_plugin("compose") else ["docker-compose"]
        )
        self._env_file = folder / "compose.env"
        self._besides = folder / "besides.yaml"
        self._besides.write_text(yaml.safe_dump(_BESIDES))
        self._variables = {
            "POSTGRES_PASSWORD": SECRET,
            "RABBITMQ_PASSWORD": SECRET,
            "PREFECT_ENCRYPTION_KEY": ENCRYPTION_KEY,
            "API_PORT": _range_of_ports(),
            "DATABASE_URL": f"postgresql://shop:{SECRET}@shop/shop",
            "STARTUP_WAIT_SECONDS": "300",  # a busy machine
            **IMAGES,
            **variables,
        }
        self.use()

    def use(self, **variables: str) -> None:
        """From now on `deployments/docker/.env` is as its example, with these filled in, too."""
        self._variables |= variables
        example = (DEPLOYMENTS / "compose.env.example").read_text()
        filled = [f"{name}={value}" for name, value in self._variables.items()]
        self._env_file.write_text("\n".join([example, *filled, ""]))

    def compose(self, *arguments: str) -> str:
        """What `docker compose` prints."""
        return self._run([*self._command, *arguments])

    def update(self) -> str:
        """scripts/rolling-update has come to its end."""
        command = " ".join(self._command)
        return self._run([str(ROOT / "scripts" / "rolling-update")], COMPOSE=command)

    def containers(self, service: str) -> list[str]:
        found = self.engine.docker("ps", "--all", "--quiet", f"--filter=label={_SERVICE}={service}")
        return found.split()

    def inspected(self, service: str) -> list[dict[str, Any]]:
        """What the engine shows of each container of the service."""
        return [
            dict(json.loads(self.engine.docker("inspect", id))[0])
            for id in self.containers(service)
        ]

    def crash(self, container: str) -> None:
        """Its first process gets SIGKILL from outside, as from the kernel that is out of memory:
        the engine starts it again, where a `docker kill` would be taken as meant.
        """
        pid = self.engine.docker("inspect", "--format", "{{.State.Pid}}", container)
        os.kill(int(pid), signal.SIGKILL)

    async def healthy(self, *services: str) -> None:
        """Every container of these services (default: all) runs and is healthy."""

        wanted = set(services or self._with_health())

        async def look() -> bool:
            shown = await asyncio.to_thread(self._statuses)
            mine = [(name, status) for name, status in shown if name in wanted]
            healthy = {name for name, status in mine if "(healthy)" in status}
            return healthy == wanted and all("(healthy)" in status for _, status in mine)

        await eventually(look, within_seconds=_HEALTHY_SECONDS, every_seconds=1)

    @property
    def settings(self) -> Settings:
        volume = f"{self._project}_records"
        folder = self.engine.docker("volume", "inspect", "--format", "{{.Mountpoint}}", volume)
        broker = f"amqp://orchestrator:{SECRET}@127.0.0.1:{_BROKER_PORT}/"
        return load_settings({"ORCHESTRATOR_DATA_DIR": folder, "RABBITMQ_URL": broker})

    async def api_answers(self) -> list[int]:
        """The statuses of `/ready` at each address on which compose publishes the API."""
        addresses = [self.engine.docker("port", id, "3051") for id in self.containers(OURS[0])]
        async with httpx.AsyncClient(timeout=10) as client:
            return [(await client.get(f"http://{one}/ready")).status_code for one in addresses]

    def logs(self) -> str:
        return self.compose("logs", "--no-color", "--tail", "40")

    def close(self) -> None:
        """Nothing is left of it."""
        self.compose("--profile", "demo", "down", "--volumes", "--timeout", "5")

    @property
    def _project(self) -> str:
        return "workflow-orchestrator"

    @property
    def _command(self) -> list[str]:
        files = [f"--file={DEPLOYMENTS / 'compose.yaml'}", f"--file={self._besides}"]
        return [*self._program, *files, f"--env-file={self._env_file}"]

    def _run(self, command: list[str], **variables: str) -> str:
        environment: Mapping[str, str] = {
            **self.engine.environment,
            "HOME": str(self._env_file.parent),
            "COMPOSE_HTTP_TIMEOUT": "600",  # a busy machine
            **variables,
        }
        done = subprocess.run(
            command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False
        )
        assert 0 == done.returncode, f"{command[-1]}: {(done.stdout + done.stderr)[-4000:]}"
        return done.stdout.strip()

    def _with_health(self) -> list[str]:
        services = yaml.safe_load((DEPLOYMENTS / "compose.yaml").read_text())["services"]
        return [
            name
            for name, service in services.items()
            if not service.get("profiles") and name not in ONE_SHOT
        ]

    def _statuses(self) -> list[tuple[str, str]]:
        """The service of each container, and what the engine says of it, as `Up 2 minutes
        (healthy)`.
        """
        columns = f'{{{{.Label "{_SERVICE}"}}}}\t{{{{.Status}}}}'
        lines = self.engine.docker("ps", "--all", "--format", columns).splitlines()
        return [(name, status) for name, status in (line.split("\t") for line in lines)]


def _range_of_ports() -> str:
    """Room for a few containers of the API."""
    first = free_port()
    return f"{first}-{min(first + 9, 65_535)}"
