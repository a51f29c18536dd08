"""A Docker engine of the tests' own: its socket, data and containers, gone when it is closed.

Needs root, and Debian's packages docker.io and busybox-static: the one image is busybox, imported
from this machine, for there is no registry. Its containers have no network.
"""

import io
import os
import shutil
import signal
import subprocess
import tarfile
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

IMAGE = "busybox:local"

_START_SECONDS = 60.0
_DAEMON, _CLIENT = Path("/usr/sbin/dockerd"), Path("/usr/bin/docker")
_BUSYBOX = "/bin/busybox"


class DockerEngine:
    """Lives from `start` to `close`."""

    def __init__(self) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="docker-"))
        self._daemon: subprocess.Popen[bytes] | None = None
        self.socket = str(self._folder / "docker.sock")

    def start(self) -> None:
        """It answers, and has the image."""
        options = {
            "host": f"unix://{self.socket}",
            "data-root": self._folder / "data",
            "exec-root": self._folder / "exec",
            "pidfile": self._folder / "pid",
            "bridge": "none",
            "iptables": "false",
            "ip6tables": "false",
            "storage-driver": "vfs",
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
        self.docker("import", "-", IMAGE, input=_image())

    def docker(self, *arguments: str, input: bytes | None = None) -> str:
        """What the command line client prints."""
        done = subprocess.run(
            [_CLIENT, "--host", f"unix://{self.socket}", *arguments],
            check=True,
            capture_output=True,
            input=input,
        )
        return done.stdout.decode().strip()

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
            with suppress(subprocess.SubprocessError):
                self.remove_all()
            self._daemon.terminate()
            self._daemon.wait(timeout=60)
        shutil.rmtree(self._folder, ignore_errors=True)

    def _answers(self) -> bool:
        try:
            self.docker("info")
        except subprocess.CalledProcessError:
            return False
        return True


def _image() -> bytes:
    """A root folder with busybox, and its shell."""
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w") as tar:
        tar.add(_BUSYBOX, "bin/busybox")
        for name in ("sh", "sleep", "test"):
            link = tarfile.TarInfo(f"bin/{name}")
            link.type, link.linkname = tarfile.SYMTYPE, "busybox"
            tar.addfile(link)
    return archive.getvalue()


@pytest.fixture(scope="session")
def docker_engine() -> Iterator[DockerEngine]:
    """A running engine, shared by the session: remove what you run."""
    missing = [str(path) for path in (_DAEMON, _CLIENT, Path(_BUSYBOX)) if not path.exists()]
    if os.geteuid() != 0 or missing:
        pytest.skip(f"a Docker engine needs root, docker.io and busybox-static: {missing}")
    engine = DockerEngine()
    try:
        engine.start()
        yield engine
    finally:
        engine.close()
