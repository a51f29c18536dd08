"""PostgreSQL, RabbitMQ, Redis and HAProxy for an engine that can pull no image.

Each is made of the base of our image, which has Debian's packages of them, and takes from
compose.yaml what the official image of that name takes: the same variables, paths and programs on
the PATH.
"""

import tarfile
from io import BytesIO
from typing import IO

from tests.support.operations.docker_engine import DockerEngine
from tests.support.operations.orchestrator_image import BASE

IMAGES = {
    "POSTGRES_IMAGE": "postgres:tests",
    "RABBITMQ_IMAGE": "rabbitmq:tests",
    "REDIS_IMAGE": "redis:tests",
    "HAPROXY_IMAGE": "haproxy:tests",
}
"""By the variable that names each in compose.yaml."""

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
        COPY start-postgres /usr/local/bin/
        USER postgres
        STOPSIGNAL SIGINT
        CMD ["start-postgres"]
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


def build_service_images(engine: DockerEngine) -> None:
    """The engine has `IMAGES`, made of the base of its image of ours."""
    for tag, lines in _DOCKERFILES.items():
        engine.docker(
            *("build", "--quiet", "--network=none", "--tag", tag, "-"),
            feed=lambda stdin, lines=lines: _write_context(stdin, lines),  # type: ignore[misc]
        )


def _write_context(stdin: IO[bytes], lines: str) -> None:
    dockerfile = "\n".join([f"FROM {BASE}", *map(str.strip, lines.splitlines())])
    with tarfile.open(fileobj=stdin, mode="w|") as tar:
        for name, text in (("Dockerfile", dockerfile), ("start-postgres", _POSTGRES)):
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode = len(text.encode()), 0o755
            tar.addfile(entry, BytesIO(text.encode()))
