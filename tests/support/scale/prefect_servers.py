"""Several Prefect servers on one PostgreSQL and one Redis, behind HAProxy: with the settings of
compose.yaml and its haproxy.cfg, without containers.
"""

import os
import shutil
import subprocess
import time
from pathlib import Path

import yaml

from deployments.bootstrap.prefect_yaml import PREFECT_YAML
from deployments.prefect.embedded import HOSTS
from tests.support.operations.redis_server import RedisServer
from tests.support.servers.ports import free_port
from tests.support.servers.prefect_server import PrefectServer
from tests.support.servers.tcp_proxy import TcpProxy

_DOCKER = PREFECT_YAML.parent / "deployments" / "docker"
_SHARED = ("PREFECT_REDIS_", "PREFECT_SERVER_EVENTS_", "PREFECT_SERVER_DOCKET_")
_ALSO_SHARED = (
    HOSTS,  # by which HAProxy asks whether they answer
    "PREFECT_SERVER_CONCURRENCY_LEASE_STORAGE",
    "PREFECT_SERVER_DATABASE_MIGRATE_ON_START",
    "PREFECT_SERVER_REGISTER_BLOCKS_ON_START",
)
_READY_SECONDS = 60.0


class PrefectServers(PrefectServer):
    """`api_url` is the proxy's. Lives from `start`, which also starts again what is gone, to
    `close`. Break its `members`.
    """

    def __init__(
        self, folder: Path, database_url: str, redis: RedisServer | TcpProxy, count: int = 2
    ) -> None:
        self._members = [
            PrefectServer(
                _made(folder / f"server-{number + 1}"), database_url, settings=_settings(redis)
            )
            for number in range(count)
        ]
        self.folder = folder
        self.port = free_port()
        self.api_url = f"http://127.0.0.1:{self.port}/api"
        self._metrics_port = free_port()
        self.metrics_url = f"http://127.0.0.1:{self._metrics_port}/metrics"
        self._proxy: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Every server answers, and the proxy passes requests to each."""
        if self._proxy is None:
            self.members[0].prepare()
            self._proxy = self._start_proxy()
        for member in self.members:
            if not member.is_running:
                member.start()
        deadline = time.monotonic() + _READY_SECONDS
        while not self._is_healthy():
            if time.monotonic() > deadline:
                raise TimeoutError((self.folder / "haproxy.log").read_text()[-2000:])
            time.sleep(0.1)

    @property
    def members(self) -> list[PrefectServer]:
        return self._members

    def close(self) -> None:
        """Nothing is left of them."""
        for member in self.members:
            member.close()
        if self._proxy:
            self._proxy.terminate()
            self._proxy.wait()

    def _start_proxy(self) -> subprocess.Popen[bytes]:
        file = self.folder / "haproxy.cfg"
        file.write_text(self._proxy_configuration())
        program = shutil.which("haproxy", path=f"{os.environ['PATH']}:/usr/sbin")
        assert program, "haproxy is missing: apt-get install haproxy"
        with (self.folder / "haproxy.log").open("ab") as log:
            return subprocess.Popen([program, "-db", "-f", file], stdout=log, stderr=log)

    def _proxy_configuration(self) -> str:
        """haproxy.cfg, with addresses of this machine in place of names that Docker resolves."""
        lines = (_DOCKER / "haproxy.cfg").read_text().splitlines()
        [template] = [line for line in lines if "server-template" in line]
        named = "\n".join(
            f"    server server{number} 127.0.0.1:{member.port}"
            for number, member in enumerate(self.members)
        )
        text = "\n".join([*lines, ""]).replace(template, named)
        text = text.replace("bind :4200", f"bind 127.0.0.1:{self.port}")
        return text.replace("bind :8405", f"bind 127.0.0.1:{self._metrics_port}")


def _settings(redis: RedisServer | TcpProxy) -> dict[str, str]:
    """What the servers of compose.yaml share, with this Redis in place of theirs."""
    services = yaml.safe_load((_DOCKER / "compose.yaml").read_text())["services"]
    return {
        name: value.replace("redis://redis:6379", f"redis://127.0.0.1:{redis.port}")
        for name, value in services["prefect-server"]["environment"].items()
        if (name.startswith(_SHARED) or name in _ALSO_SHARED)
    }


def _made(folder: Path) -> Path:
    folder.mkdir(parents=True)
    return folder
