"""A private Redis server: its own port, in memory; gone when it is closed."""

import shutil
import subprocess
from collections.abc import Iterator
from time import monotonic, sleep

import pytest
import redis

from tests.support.servers.ports import free_port

_START_SECONDS = 30.0


class RedisServer:
    """Lives from `start` to `close`."""

    def __init__(self) -> None:
        self._port = free_port()
        self._server: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self._port}/0"

    def start(self) -> None:
        """The server answers. Raises `RuntimeError` if there is none, or it does not in time."""
        program = shutil.which("redis-server")
        if program is None:
            raise RuntimeError("Redis is not installed (Debian package redis-server)")
        self._server = subprocess.Popen(
            [program, "--port", str(self._port), "--bind", "127.0.0.1", "--save", ""],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        deadline = monotonic() + _START_SECONDS
        while not self._answers():
            if self._server.poll() is not None or monotonic() > deadline:
                raise RuntimeError("Redis did not start")
            sleep(0.05)

    def close(self) -> None:
        """Nothing is left of it."""
        if self._server:
            self._server.terminate()
            self._server.wait(timeout=10)

    def _answers(self) -> bool:
        try:
            with redis.Redis.from_url(self.url) as client:
                return bool(client.ping())
        except redis.ConnectionError:
            return False


@pytest.fixture(scope="session")
def redis_server() -> Iterator[RedisServer]:
    """A running server, shared by the session: flush it before use."""
    server = RedisServer()
    try:
        server.start()
        yield server
    finally:
        server.close()
