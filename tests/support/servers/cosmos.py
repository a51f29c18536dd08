"""A Cosmos DB of our own for tests: an emulator in memory, over HTTPS, with a certificate that
clients must verify.

    python -m tests.support.servers.cosmos --port 8081

serves it to a person and prints what to export. Needs Node.js 20 with npm; its packages are fetched
on first use.
"""

import argparse
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Self

import pytest
import trustme

HERE = Path(__file__).parents[1] / "cosmos_emulator"


@pytest.fixture(scope="session")
def cosmos_emulator() -> Iterator["CosmosEmulator"]:
    """A running emulator; a test that needs an empty store names a database of its own."""
    with CosmosEmulator() as emulator:
        yield emulator


class CosmosEmulator:
    """Serves on one port from `start` to `kill`, which forgets all data. `close` also removes the
    certificate.
    """

    key = "bm90LWEtc2VjcmV0OnRoZS1lbXVsYXRvci1jaGVja3Mtbm8ta2V5"
    """Base64, as the client demands; the emulator looks at no key."""

    def __init__(self, port: int | None = None) -> None:
        self.port = port or _free_port()
        self.endpoint = f"https://127.0.0.1:{self.port}/"
        self._folder = tempfile.TemporaryDirectory(prefix="cosmos-emulator-")
        self._process: subprocess.Popen[bytes] | None = None
        folder = Path(self._folder.name)
        self.ca_file = folder / "ca.pem"
        self.certificate_file, self.key_file, self._log_file = (
            folder / "cert.pem",
            folder / "key.pem",
            folder / "log",
        )
        self._issue_certificate()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *exc: type[BaseException] | BaseException | TracebackType | None) -> None:
        self.close()

    def start(self, timeout_seconds: float = 120.0) -> None:
        """The emulator answers, with no data. Raises `RuntimeError` with its last words if it does
        not in time.
        """
        node = _installed()
        command: list[str | Path] = [
            node,
            HERE / "server.js",
            str(self.port),
            self.certificate_file,
            self.key_file,
        ]
        with self._log_file.open("wb") as log:
            self._process = subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=log, stderr=subprocess.STDOUT
            )
        deadline = time.monotonic() + timeout_seconds
        while not _answers(self.port):
            if self._process.poll() is not None or time.monotonic() > deadline:
                last_words = self._log_file.read_text()[-2000:]
                raise RuntimeError(f"the Cosmos DB emulator does not start: {last_words}")
            time.sleep(0.02)

    def kill(self) -> None:
        """The emulator is gone without a goodbye, and its data with it; `start` brings an empty one
        back.
        """
        if self._process is not None:
            self._process.kill()
            self._process.communicate()
            self._process = None

    def close(self) -> None:
        """Nothing is left of it."""
        self.kill()
        self._folder.cleanup()

    def _issue_certificate(self) -> None:
        authority = trustme.CA()
        certificate = authority.issue_cert("localhost", "127.0.0.1")
        authority.cert_pem.write_to_path(self.ca_file)
        certificate.cert_chain_pems[0].write_to_path(self.certificate_file)
        certificate.private_key_pem.write_to_path(self.key_file)


def _installed() -> str:
    """The path of `node`, once the emulator's packages are there."""
    node, npm = shutil.which("node"), shutil.which("npm")
    if node is None:
        raise RuntimeError(
            "the Cosmos DB emulator needs Node.js 20 or newer with npm: install `nodejs` and `npm`"
        )
    if not (HERE / "node_modules" / "@vercel" / "cosmosdb-server").is_dir():
        if npm is None:
            raise RuntimeError("the Cosmos DB emulator's packages are missing: install `npm`")
        subprocess.run(
            [npm, "ci", "--prefix", HERE, "--no-audit", "--no-fund", "--ignore-scripts"], check=True
        )
    return node


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _answers(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return False
    return True


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m tests.support.servers.cosmos", description=__doc__
    )
    parser.add_argument("--port", type=int, default=8081)
    with CosmosEmulator(parser.parse_args().port) as emulator:
        print(f"export COSMOS_DB_ENDPOINT={emulator.endpoint}")  # noqa: T201  # what this command is for
        print(f"export COSMOS_DB_KEY={emulator.key}")  # noqa: T201
        print(f"export COSMOS_DB_CA_FILE={emulator.ca_file}", flush=True)  # noqa: T201
        try:
            while True:
                time.sleep(3600)
        except KeyboardInterrupt:
            pass


if __name__ == "__main__":
    main()
