"""A private PostgreSQL cluster: its own data, port and superuser; gone when it is closed.

With PostgreSQL's own defaults, so what is committed is on disk, unless it need not be durable. A
Prefect server takes the URL of `create_database`.
"""

import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

_START_SECONDS = 60.0
_CONNECTIONS_MAX = 300  # several Prefect servers share one cluster


class Postgres:
    """Lives from `start` to `close`; `kill` and `start` again is a crash and a recovery on the same
    data and port.
    """

    def __init__(self, *, durable: bool = True) -> None:
        self._durable = durable
        self._programs = _programs()
        self._folder = Path(tempfile.mkdtemp(prefix="postgres-"))
        self._port = _free_port()
        self._server: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        assert self._server, "it was never started"
        return self._server.pid

    def url(self, database: str = "postgres") -> str:
        """For SQLAlchemy on asyncpg, which is what Prefect speaks."""
        return f"postgresql+asyncpg://postgres:postgres@127.0.0.1:{self._port}/{database}"

    def start(self) -> None:
        """The cluster answers. Raises `RuntimeError` with the end of its log if it does not within
        a minute.
        """
        if not (self._folder / "data").exists():
            self._initialise()
        options: dict[str, object] = {
            "port": self._port,
            "listen_addresses": "127.0.0.1",
            "unix_socket_directories": self._folder,
        }
        options["max_connections"] = _CONNECTIONS_MAX
        if not self._durable:
            options["fsync"] = "off"
        settings = [word for name, value in options.items() for word in ("-c", f"{name}={value}")]
        with (self._folder / "log").open("ab") as log:
            self._server = subprocess.Popen(
                [self._programs / "postgres", "-D", self._folder / "data", *settings],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                **_as_postgres(),
            )
        self._wait_until_ready()

    def create_database(self, name: str) -> str:
        """The URL of a new, empty database."""
        where = ("-h", "127.0.0.1", "-p", str(self._port), "-U", "postgres")
        self._run("createdb", *where, name)
        return self.url(name)

    def demand_password(self, user: str) -> None:
        """From now on this user has to show a password."""
        rules = self._folder / "data" / "pg_hba.conf"
        rules.write_text(f"host all {user} 127.0.0.1/32 scram-sha-256\n{rules.read_text()}")
        self._run("pg_ctl", "reload", "-D", str(self._folder / "data"))

    def version(self) -> str:
        return self._run("postgres", "--version").split()[2]

    def kill(self) -> None:
        """SIGKILL to every process of the cluster."""
        if self._server:
            with suppress(ProcessLookupError):
                os.killpg(self._server.pid, signal.SIGKILL)
            self._server.wait()
            self._server = None
            # A killed cluster leaves its lock behind, and cannot know whether another process has
            # its number by now.
            (self._folder / "data" / "postmaster.pid").unlink(missing_ok=True)

    def freeze(self) -> None:
        """Every process of the cluster stands still: connections stay open, nothing answers."""
        self._signal(signal.SIGSTOP)

    def thaw(self) -> None:
        self._signal(signal.SIGCONT)

    def close(self) -> None:
        """Nothing is left of it."""
        if self._server:
            self._server.send_signal(signal.SIGINT)  # "fast": sessions are ended, data are written
            with suppress(subprocess.TimeoutExpired):
                self._server.wait(timeout=10)
            self.kill()
        shutil.rmtree(self._folder, ignore_errors=True)

    def _signal(self, number: signal.Signals) -> None:
        """To the first process, which makes no further ones from then on, and to its children, each
        of which leads a group of its own.
        """
        os.kill(self.pid, number)
        for child in Path(f"/proc/{self.pid}/task/{self.pid}/children").read_text().split():
            with suppress(ProcessLookupError):
                os.kill(int(child), number)

    def _initialise(self) -> None:
        if os.geteuid() == 0:
            shutil.chown(self._folder, "postgres", "postgres")
        self._run(
            "initdb",
            "-D",
            str(self._folder / "data"),
            "-U",
            "postgres",
            "--auth=trust",
            "--encoding=UTF8",
        )

    def _wait_until_ready(self) -> None:
        deadline = time.monotonic() + _START_SECONDS
        ready: list[str | Path] = [
            self._programs / "pg_isready",
            "-q",
            "-h",
            "127.0.0.1",
            "-p",
            str(self._port),
        ]
        while subprocess.run(ready, check=False).returncode:
            ended = self._server is not None and self._server.poll() is not None
            if ended or time.monotonic() > deadline:
                log = (self._folder / "log").read_text(errors="replace")
                raise RuntimeError(f"PostgreSQL did not start:\n{log[-3000:]}")
            time.sleep(0.05)

    def _run(self, program: str, *arguments: str) -> str:
        command: Sequence[str | Path] = [self._programs / program, *arguments]
        done: subprocess.CompletedProcess[str] = subprocess.run(
            command, check=True, capture_output=True, text=True, cwd=self._folder, **_as_postgres()
        )
        return done.stdout


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """A running cluster, shared by the session: make databases of your own. No test kills it, so it
    does not wait for the disk.
    """
    cluster = Postgres(durable=False)
    try:
        cluster.start()
        yield cluster
    finally:
        cluster.close()


def _as_postgres() -> dict[str, Any]:
    """PostgreSQL refuses to run as root; Debian's package brings a user for it."""
    if os.geteuid() != 0:
        return {}
    return {"user": "postgres", "group": "postgres", "extra_groups": []}


def _programs() -> Path:
    """Where the server programs are; Debian keeps them off the PATH. Raises `RuntimeError` if there
    are none.
    """
    on_path = shutil.which("initdb")
    if on_path:
        return Path(on_path).resolve().parent
    packaged = sorted(
        Path("/usr/lib/postgresql").glob("*/bin"), key=lambda folder: int(folder.parent.name)
    )
    if not packaged:
        raise RuntimeError("PostgreSQL is not installed (Debian package postgresql)")
    return packaged[-1]


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
