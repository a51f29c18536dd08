"""A Docker engine of the tests' own: its socket, data and containers, gone when it is closed.

Needs root and a Docker engine's programs, as Debian's package docker.io has them. There is no
registry: images are imported or built from this machine, as busybox (Debian's package
busybox-static) for the engine of the session.
"""

import os
import shutil
import signal
import subprocess
import tarfile
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

import pytest

IMAGE = "busybox:local"

_START_SECONDS = 60.0
_PATH = f"/usr/bin:/usr/sbin:{os.environ.get('PATH', '')}"
_DAEMON, _CLIENT = (shutil.which(name, path=_PATH) or name for name in ("dockerd", "docker"))
_BUSYBOX = "/bin/busybox"


class DockerEngine:
    """Lives from `start` to `close`; the `options` are dockerd's. It makes networks only when it is
    asked to.
    """

    def __init__(self, **options: str) -> None:
        self._options = {name.replace("_", "-"): value for name, value in options.items()}
        self._folder = Path(tempfile.mkdtemp(prefix="docker-"))
        self._daemon: subprocess.Popen[bytes] | None = None
        self.socket = str(self._folder / "docker.sock")

    def start(self) -> None:
        """It answers, and has no image."""
        options = {
            "host": f"unix://{self.socket}",
            "data-root": self._folder / "data",
            "exec-root": self._folder / "exec",
            "pidfile": self._folder / "pid",
            "bridge": "none",
            "iptables": "false",
            "ip6tables": "false",
            **self._options,
        }
        with (self._folder / "log").open("ab") as log:
            self._daemon = subprocess.Popen(
                [_DAEMON, *(f"--{name}={value}" for name, value in options.items())],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        deadline = time.monotonic() + _START_SECONDS
        while not self._answers():
            if self._daemon.poll() is not None or time.monotonic() > deadline:
                written = (self._folder / "log").read_text(errors="replace")
                raise RuntimeError(f"the Docker engine did not start:\n{written[-3000:]}")
            time.sleep(0.1)

    def docker(self, *arguments: str, feed: Callable[[IO[bytes]], None] | None = None) -> str:
        """What the command line client prints, which is fed through its standard input."""
        with tempfile.TemporaryFile() as output, tempfile.TemporaryFile() as errors:
            client = subprocess.Popen(
                [_CLIENT, "--host", f"unix://{self.socket}", *arguments],
                stdin=subprocess.PIPE,
                stdout=output,
                stderr=errors,
            )
            assert client.stdin
            with suppress(BrokenPipeError), client.stdin:  # of a client that has failed
                if feed:
                    feed(client.stdin)
            code = client.wait()
            for file in (output, errors):
                file.seek(0)
            assert 0 == code, f"docker {arguments[0]}: {errors.read().decode()[-3000:]}"
            return output.read().decode().strip()

    @property
    def environment(self) -> dict[str, str]:
        """With which programs that call Docker's client find it, and this engine."""
        return {"DOCKER_HOST": f"unix://{self.socket}", "PATH": _PATH}

    def has_plugin(self, name: str) -> bool:
        """Whether the client has this command, e.g. compose, besides its own."""
        asked = (_CLIENT, name, "version")
        return subprocess.run(asked, capture_output=True, check=False).returncode == 0

    def run(self, name: str, command: str, *options: str) -> str:
        """The id of a container that has begun the command of the shell."""
        shell = ("sh", "-c", command)
        return self.docker(
            *("run", "--detach", "--network", "none", "--name", name, *options, IMAGE, *shell)
        )

    def remove_all(self) -> None:
        for id in self.docker("ps", "--all", "--quiet").split():
            self.docker("rm", "--force", "--volumes", id)

    @contextmanager
    def frozen(self) -> Iterator[None]:
        """Meanwhile it answers nothing."""
        assert self._daemon
        self._daemon.send_signal(signal.SIGSTOP)
        try:
            yield
        finally:
            self._daemon.send_signal(signal.SIGCONT)

    def close(self) -> None:
        """Nothing is left of it; its containerd ends with it."""
        if self._daemon:
            with suppress(AssertionError):
                self.remove_all()
                self.docker("network", "prune", "--force")
            self._daemon.terminate()
            self._daemon.wait(timeout=60)
        shutil.rmtree(self._folder, ignore_errors=True)

    def _answers(self) -> bool:
        try:
            self.docker("info")
        except AssertionError:
            return False
        return True


def require_docker_engine(*programs: str) -> None:
    """Skips the test where no engine can be started, or a program of these is missing."""
    missing = [path for path in (_DAEMON, _CLIENT, *programs) if not Path(path).exists()]
    if os.geteuid() != 0 or missing:
        who = "" if os.geteuid() == 0 else " (this is not root)"
        pytest.skip(f"a Docker engine of the tests' own needs root{who} and: {missing}")


def _write_busybox(stdin: IO[bytes]) -> None:
    """A root folder with busybox, and its shell."""
    with tarfile.open(fileobj=stdin, mode="w|") as tar:
        tar.add(_BUSYBOX, "bin/busybox")
        for name in ("sh", "sleep", "test"):
            link = tarfile.TarInfo(f"bin/{name}")
            link.type, link.linkname = tarfile.SYMTYPE, "busybox"
            tar.addfile(link)


@pytest.fixture(scope="session")
def docker_engine() -> Iterator[DockerEngine]:
    """A running engine, shared by the session: remove what you run."""
    require_docker_engine(_BUSYBOX)
    engine = DockerEngine(storage_driver="vfs")
    try:
        engine.start()
        engine.docker("import", "-", IMAGE, feed=_write_busybox)
        yield engine
    finally:
        engine.close()
