"""PostgreSQL, RabbitMQ, Redis and HAProxy for an engine that can pull no image.

Each is made of Debian's package, and takes from compose.yaml what the official image of that name
takes: the same variables, paths and programs on the PATH.
"""

import subprocess
import tarfile
import tempfile
from io import BytesIO
from pathlib import Path
from typing import IO

from tests.support.operations.docker_engine import DockerEngine
from tests.support.operations.orchestrator_image import DEBOOTSTRAP

IMAGES = {
    "POSTGRES_IMAGE": "postgres:tests",
    "RABBITMQ_IMAGE": "rabbitmq:tests",
    "REDIS_IMAGE": "redis:tests",
    "HAPROXY_IMAGE": "haproxy:tests",
}
"""By the variable that names each in compose.yaml."""

_BASE = "services-base:tests"
_PACKAGES = "postgresql,rabbitmq-server,redis-server,haproxy"

_POSTGRES = """#!/bin/sh
set -eu
data=/var/lib/postgresql/data
if [ ! -s "$data/PG_VERSION" ]; then
    (umask 077 && printf %s "$POSTGRES_PASSWORD" > /tmp/password)
    initdb -D "$data" -U "$POSTGRES_USER" --pwfile=/tmp/password --auth=scram-sha-256 \\
        --encoding=UTF8 --locale=C.UTF-8
    echo 'host all all all scram-sha-256' >> "$data/pg_hba.conf"
    echo "CREATE DATABASE \\"$POSTGRES_DB\\";" | postgres --single -D "$data" postgres
fi
exec postgres -D "$data" -c listen_addresses='*' -c unix_socket_directories=/tmp
"""

_DOCKERFILES = {
    "postgres:tests": """
        ENV PATH=/usr/lib/postgresql/15/bin:$PATH
        RUN install -d -o postgres -g postgres -m 700 /var/lib/postgresql/data
        USER postgres
        STOPSIGNAL SIGINT
        CMD ["sh", "/usr/local/bin/start-postgres"]
    """,
    "rabbitmq:tests": """
        ENV HOME=/var/lib/rabbitmq RABBITMQ_LOGS=-
        USER rabbitmq
        CMD ["rabbitmq-server"]
    """,
    "redis:tests": """
        RUN install -d -o 999 -g 999 /data
        WORKDIR /data
        CMD ["redis-server"]
    """,
    "haproxy:tests": """
        USER haproxy
        CMD ["haproxy", "-W", "-db", "-f", "/usr/local/etc/haproxy/haproxy.cfg"]
    """,
}


def build_service_images(engine: DockerEngine, cache: Path) -> None:
    """The engine has `IMAGES`. `cache` keeps Debian's part of them for the next time."""
    debian = _debian(cache)
    engine.docker("import", "-", _BASE, feed=lambda stdin: _write_base(stdin, debian))
    for tag, lines in _DOCKERFILES.items():
        dockerfile = "\n".join([f"FROM {_BASE}", *map(str.strip, lines.splitlines())]).encode()
        engine.docker(
            *("build", "--quiet", "--network=none", "--tag", tag, "-"),
            feed=lambda stdin, text=dockerfile: stdin.write(text),  # type: ignore[misc]
        )


def _debian(cache: Path) -> Path:
    root = cache / "debian-services"
    if not root.exists():
        with tempfile.TemporaryDirectory(prefix="debian-", dir=cache) as folder:
            made = Path(folder) / "root"
            options = ("--variant=minbase", f"--include={_PACKAGES}")
            subprocess.run(
                [DEBOOTSTRAP, *options, "bookworm", made], check=True, stdout=subprocess.DEVNULL
            )
            made.rename(root)
    return root


def _write_base(stdin: IO[bytes], debian: Path) -> None:
    with tarfile.open(fileobj=stdin, mode="w|") as tar:
        tar.add(debian, ".", filter=_needed)
        entry = tarfile.TarInfo("usr/local/bin/start-postgres")
        entry.size, entry.mode = len(_POSTGRES.encode()), 0o755
        tar.addfile(entry, BytesIO(_POSTGRES.encode()))


def _needed(entry: tarfile.TarInfo) -> tarfile.TarInfo | None:
    """No caches, and nothing that the package's own start has left."""
    left = ("./var/lib/rabbitmq/", "./var/lib/postgresql/15", "./etc/rabbitmq/rabbitmq.conf")
    if "/apt/" in entry.name or "/usr/share/doc/" in entry.name or entry.name.startswith(left):
        return None
    return entry
