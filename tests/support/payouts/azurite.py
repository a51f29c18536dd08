"""An Azure Blob Storage of our own for tests: Azurite, in memory.

Needs Node.js 20 with npm; its packages are fetched on first use.
"""

import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from azure.core.exceptions import AzureError
from azure.storage.blob import BlobServiceClient

from tests.support.servers.ports import free_port

HERE = Path(__file__).parents[1] / "azurite"
ACCOUNT = "devstoreaccount1"

# Azurite's documented account: every copy of it has this key.
_KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="

_START_SECONDS = 120.0


@contextmanager
def azurite(container: str) -> Iterator[str]:
    """The connection string of a server that has this container; at the end it is gone."""
    port = free_port()
    connection = (
        f"DefaultEndpointsProtocol=http;AccountName={ACCOUNT};AccountKey={_KEY};"
        f"BlobEndpoint=http://127.0.0.1:{port}/{ACCOUNT};"
    )
    with tempfile.TemporaryDirectory(prefix="azurite-") as folder:
        log_file = Path(folder) / "log"
        with log_file.open("wb") as log:
            server = subprocess.Popen(_command(port), cwd=folder, stdout=log, stderr=log)
        try:
            _create_container(server, connection, container, log_file)
            yield connection
        finally:
            server.kill()
            server.wait()


def _command(port: int) -> list[str]:
    return [
        _installed_node(),
        str(HERE / "node_modules" / "azurite" / "dist" / "src" / "blob" / "main.js"),
        "--blobPort",
        str(port),
        "--inMemoryPersistence",
        # The client's library knows newer versions of the protocol than the server.
        "--skipApiVersionCheck",
    ]


def _create_container(
    server: subprocess.Popen[bytes], connection: str, container: str, log_file: Path
) -> None:
    """Raises `RuntimeError` with the server's last words if it does not answer in time."""
    deadline = time.monotonic() + _START_SECONDS
    with BlobServiceClient.from_connection_string(connection, retry_total=0) as client:
        while True:
            try:
                client.create_container(container)
            except AzureError as error:
                if server.poll() is not None or time.monotonic() > deadline:
                    last_words = log_file.read_text()[-2000:]
                    raise RuntimeError(f"Azurite does not start: {last_words}") from error
                time.sleep(0.05)
            else:
                return


def _installed_node() -> str:
    """The path of `node`, once the server's packages are there."""
    node, npm = shutil.which("node"), shutil.which("npm")
    if node is None:
        raise RuntimeError("Azurite needs Node.js 20 or newer with npm: install `nodejs` and `npm`")
    if not (HERE / "node_modules" / "azurite").is_dir():
        if npm is None:
            raise RuntimeError("Azurite's packages are missing: install `npm`")
        subprocess.run(
            [npm, "ci", "--prefix", HERE, "--no-audit", "--no-fund", "--ignore-scripts"], check=True
        )
    return node
