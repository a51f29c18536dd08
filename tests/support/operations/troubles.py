"""What the steps of operations can run into: each trouble as settings of a system that has it.

Disks and rights are this machine's, so those two troubles need root.
"""

import fcntl
import os
import socket
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec

from tests.support.operations.cms import Cms, running_cms
from tests.support.operations.web import Asked, Reply, web_service
from tests.support.servers.ports import free_port

Variables = dict[str, str]

WITHOUT_RIGHTS = ("setpriv", "--bounding-set=-dac_override,-dac_read_search", "--inh-caps=-all")
"""Before a command: it is root's, and has no right to what belongs to others."""

_NOBODY = 65_534


@contextmanager
def broken_services(folder: Path) -> Iterator[Variables]:
    """Services answer 500, and nothing listens where the database should."""
    with web_service(lambda _: Reply(status=500, content={"error": "it is broken"})) as service:
        nowhere = f"postgresql://shop:secret@127.0.0.1:{free_port()}/shop"
        yield services_at(service.url) | {"DATABASE_URL": nowhere}


@contextmanager
def silent_services(folder: Path) -> Iterator[Variables]:
    """Services and the database take connections and never answer; another rotation, which does not
    end, works in the folder of the logs.
    """
    logs = log_in(folder)
    with (
        socket.create_server(("127.0.0.1", 0), backlog=200) as server,
        another_rotation(folder),
    ):
        host = f"127.0.0.1:{server.getsockname()[1]}"
        yield services_at(f"http://{host}") | {
            "DATABASE_URL": f"postgresql://shop:secret@{host}/shop",
            "CACHE_WARMUP_CALL_SECONDS": "1",
            "HEALTH_MONITORING_CALL_SECONDS": "1",
            **logs,
        }


class Held(msgspec.Struct, frozen=True):
    """Services that work, and answer when they are released."""

    variables: Variables
    mails: list[tuple[str, str]]
    """Idempotency key and subject of each that was taken."""
    release: Callable[[], None]


@contextmanager
def held_services(folder: Path) -> Iterator[Held]:
    """Every service of operations; only that of notifications answers at once."""
    cms, released, mails = Cms(), threading.Event(), list[tuple[str, str]]()

    def answer(asked: Asked) -> Reply:
        if asked.path.startswith("/notifications"):
            return Reply(content=[{"title": "An order came", "email": "ann@shop.example"}])
        released.wait()
        if asked.path.startswith("/api/messages"):
            mails.append((asked.headers["idempotency-key"], asked.json["subject"]))
            return Reply(status=201, content={"success": True, "messageId": "m-1"})
        return cms.answer(asked) if asked.path in cms.content else Reply(content=[])

    with web_service(answer) as service:
        try:
            variables = services_at(service.url) | {
                "COMMS_HUB_URL": service.url,
                "USER_ONBOARDING_DEFAULTS_URL": "",
                "CACHE_WARMUP_CALL_SECONDS": "60",
                "HEALTH_MONITORING_CALL_SECONDS": "25",
            }
            yield Held(variables, mails, released.set)
        finally:
            released.set()


@contextmanager
def full_disk(folder: Path) -> Iterator[Variables]:
    """Where files are kept, nothing is free: a file system of 64 KB."""
    small = folder / "small"
    small.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "small", small], check=True)
    try:
        with files_kept_in(small) as variables:
            with (small / "filler").open("wb") as filler:
                filler.write(b"\0" * 40_000)
            yield variables
    finally:
        subprocess.run(["umount", small], check=True)


@contextmanager
def foreign_folder(folder: Path) -> Iterator[Variables]:
    """Where files are kept, everything belongs to another user; see `WITHOUT_RIGHTS`."""
    foreign = folder / "foreign"
    foreign.mkdir()
    with files_kept_in(foreign) as variables:
        for path in (foreign, *foreign.rglob("*")):
            os.chown(path, _NOBODY, _NOBODY)
            path.chmod(0o755 if path.is_dir() else 0o644)
        yield variables


def services_at(url: str) -> Variables:
    """Every service of operations at this address."""
    return {
        "CMS_URL": url,
        "CACHE_WARMUP_API_URLS": f"{url}/api/services",
        "SALES_LEADS_URL": f"{url}/crm/leads",
        "USER_ONBOARDING_DEFAULTS_URL": f"{url}/users/{{userId}}/defaults",
        "NOTIFICATION_DIGEST_SOURCE_URL": f"{url}/notifications",
        "HEALTH_MONITORING_ENDPOINTS": f"api={url}/health",
    }


@contextmanager
def another_rotation(folder: Path) -> Iterator[None]:
    """While this lasts, another one is at work on the logs of `log_in`."""
    descriptor = os.open(folder / "logs", os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def log_in(folder: Path) -> Variables:
    """A new log that is to be rotated."""
    (folder / "logs").mkdir()
    (folder / "logs" / "web.log").write_bytes(os.urandom(20_000))
    return {"LOG_ROTATION_PATHS": f"{folder}/logs/*.log", "LOG_ROTATION_QUIET_HOURS": "0"}


@contextmanager
def files_kept_in(folder: Path) -> Iterator[Variables]:
    """Every folder that an operation writes is in this one; a CMS that works has content."""
    with running_cms() as cms:
        cms.content["/api/posts"] = [{"body": "x" * 30_000}]
        variables = log_in(folder)
        for name in ("cms", "work", "reports"):
            (folder / name).mkdir()
        yield variables | {
            "CMS_URL": cms.url,
            "CMS_SYNC_FILES_URL": str(folder / "cms"),
            "BACKUP_WORK_FOLDER": str(folder / "work"),
            "SECURITY_AUDIT_REPORTS_URL": str(folder / "reports"),
        }
