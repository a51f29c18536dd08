"""A private Prefect server: its own process, free port and database (a SQLite file by default),
tuned like ours.
"""

import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path

import httpx
import pytest
from prefect.client.orchestration import get_client
from prefect.client.schemas.actions import WorkPoolUpdate
from prefect.settings import PREFECT_API_URL, temporary_settings

from deployments.prefect.server import SERVER_TUNING

START_LIMIT_SECONDS = 300.0


class PrefectServer:
    """Lives from `start` to `close`; `kill` and `start` again is a crash and a restart on the same
    data and port.
    """

    def __init__(
        self,
        folder: Path,
        database_url: str | None = None,
        *,
        with_ui: bool = False,
        settings: Mapping[str, str] | None = None,
    ) -> None:
        self.folder = folder
        self._with_ui = with_ui
        self._settings = settings or {}
        self.database_url = database_url or f"sqlite+aiosqlite:///{folder / 'prefect.db'}"
        self.port = _free_port()
        self.api_url = f"http://127.0.0.1:{self.port}/api"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """The server answers. Raises `TimeoutError` with the end of its log if it does not within
        five minutes.
        """
        log = (self.folder / "server.log").open("ab")
        command = [
            sys.executable,
            "-m",
            "deployments.prefect.embedded",
            "server",
            "start",
            "--port",
            str(self.port),
        ]
        self._process = subprocess.Popen(
            [*command, "--host", "127.0.0.1", "--ui" if self._with_ui else "--no-ui"],
            env=self._environment(),
            stdout=log,
            stderr=subprocess.STDOUT,
        )
        deadline = time.monotonic() + START_LIMIT_SECONDS
        while not self._is_healthy():
            if time.monotonic() > deadline or self._process.poll() is not None:
                raise TimeoutError((self.folder / "server.log").read_text()[-2000:])
            time.sleep(0.1)

    @property
    def members(self) -> "list[PrefectServer]":
        """The servers behind this address."""
        return [self]

    @property
    def pid(self) -> int:
        assert self._process, "it was never started"
        return self._process.pid

    @property
    def is_running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def prepare(self) -> None:
        """Its database is ready for several servers, as `prefect-database` of compose makes it."""
        subprocess.run(
            [sys.executable, "-m", "deployments.prefect.prepare"],
            env=self._environment(),
            check=True,
            capture_output=True,
        )

    def stop(self) -> None:
        """The server has ended in order."""
        assert self._process, "it was never started"
        self._process.terminate()
        self._process.wait(timeout=60)

    def kill(self) -> None:
        """The server is gone without a chance to finish anything."""
        if self._process:
            self._process.kill()
            self._process.wait()

    def lose_database(self) -> None:
        """Its SQLite file is gone, as if a disk had been; the next start makes an empty one."""
        for file in self.folder.glob("prefect.db*"):
            file.unlink()

    async def pause(self, work_pool: str) -> None:
        """Workers get no runs of this pool until `resume`; what is due stays scheduled."""
        await self._update(work_pool, is_paused=True)

    async def resume(self, work_pool: str) -> None:
        await self._update(work_pool, is_paused=False)

    async def _update(self, work_pool: str, *, is_paused: bool) -> None:
        with temporary_settings({PREFECT_API_URL: self.api_url}):
            async with get_client() as client:
                await client.update_work_pool(work_pool, WorkPoolUpdate(is_paused=is_paused))

    def close(self) -> None:
        """The server is gone."""
        if self._process:
            self._process.terminate()
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(timeout=10)
            self.kill()

    def client_environment(self) -> dict[str, str]:
        """What a child process needs to talk to this server and to no other."""
        inherited = {
            name: value for name, value in os.environ.items() if not name.startswith("PREFECT_")
        }
        # without bytecode every start compiles Prefect again
        inherited.pop("PYTHONDONTWRITEBYTECODE", None)
        return inherited | {"PREFECT_HOME": str(self.folder), "PREFECT_API_URL": self.api_url}

    def _environment(self) -> dict[str, str]:
        tuned = {tuning.name: tuning.value for tuning in SERVER_TUNING}
        ours = {
            "PREFECT_SERVER_CORS_ALLOWED_ORIGINS": self.api_url.removesuffix("/api"),
            "PREFECT_SERVER_DATABASE_CONNECTION_URL": self.database_url,
        }
        return self.client_environment() | tuned | ours | dict(self._settings)

    def _is_healthy(self) -> bool:
        try:
            return httpx.get(f"{self.api_url}/health", timeout=2).is_success
        except httpx.HTTPError:
            return False


@pytest.fixture(scope="session")
def prefect_server() -> Iterator[PrefectServer]:
    with tempfile.TemporaryDirectory(prefix="prefect-") as folder:
        server = PrefectServer(Path(folder))
        try:
            server.start()
            yield server
        finally:
            server.close()


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port
