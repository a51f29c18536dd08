"""An object store of our own for tests, which speaks S3: s3rver, in a folder of its own.

Needs Node.js 20 with npm; its packages are fetched on first use.
"""

import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from tests.support.servers.ports import free_port

HERE = Path(__file__).parents[1] / "s3rver"

_CREDENTIAL = "S3RVER"
"""Every copy of it has this one."""

_START_SECONDS = 60.0


@contextmanager
def s3_server(bucket: str) -> Iterator[dict[str, str]]:
    """The environment in which s3fs finds a server that has this bucket."""
    port = free_port()
    with tempfile.TemporaryDirectory(prefix="s3-") as folder:
        command = [_program(), "--directory", folder, "--address", "127.0.0.1"]
        server = subprocess.Popen(
            [*command, "--port", str(port), "--configure-bucket", bucket, "--silent"],
            stdout=subprocess.DEVNULL,
        )
        try:
            _wait_for(server, port)
            yield {
                "AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}",
                "AWS_ACCESS_KEY_ID": _CREDENTIAL,
                "AWS_SECRET_ACCESS_KEY": _CREDENTIAL,
                "AWS_DEFAULT_REGION": "us-east-1",
            }
        finally:
            server.kill()
            server.wait()


def _wait_for(server: subprocess.Popen[bytes], port: int) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while time.monotonic() < deadline and server.poll() is None:
        with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            return
        time.sleep(0.05)
    raise RuntimeError("s3rver does not start")


def _program() -> str:
    """Its path, once its packages are there."""
    program, npm = HERE / "node_modules" / "s3rver" / "bin" / "s3rver.js", shutil.which("npm")
    if not program.is_file():
        if npm is None:
            raise RuntimeError("s3rver needs Node.js 20 or newer with npm: install both")
        subprocess.run(
            [npm, "ci", "--prefix", HERE, "--no-audit", "--no-fund", "--ignore-scripts"], check=True
        )
    return os.fspath(program)
