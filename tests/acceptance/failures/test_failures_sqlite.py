"""The embedded parts' files are locked by another process, or their disk is full: nothing is lost,
nothing done twice.

Flows keep no results in Prefect (`persist_result=False`; a flow that runs again reads our records),
so there is no result storage that could fill up; what can is the records, the bus and the Prefect
server's database.
"""

import asyncio
import sqlite3
import subprocess
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, closing, contextmanager
from pathlib import Path

import httpx
import pytest

from tests.support.analyses import an_opportunity, ended, recorded
from tests.support.servers.prefect_server import PrefectServer
from tests.support.system.analysis_services import services_on
from tests.support.system.invariants import done_once
from tests.support.system.ledger import ledger_of
from tests.support.system.orchestra import Orchestra, orchestra
from tests.support.waiting import eventually

pytestmark = pytest.mark.slow


@contextmanager
def locked(file: Path) -> Iterator[None]:
    """No other process can write to the file."""
    connection = sqlite3.connect(file, isolation_level=None, timeout=60)
    connection.execute("BEGIN EXCLUSIVE")
    try:
        yield
    finally:
        connection.execute("ROLLBACK")
        connection.close()


@pytest.fixture
def small_disk() -> Iterator[Path]:
    """A file system of 32 MB, which a test can fill."""
    folder = tempfile.mkdtemp(prefix="small-disk-")
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=32m", "tmpfs", folder], capture_output=True, text=True
    )
    if mounted.returncode:
        pytest.skip(f"only root may mount a small disk: {mounted.stderr.strip()}")
    try:
        yield Path(folder)
    finally:
        subprocess.run(["umount", "--lazy", folder], check=True)
        Path(folder).rmdir()


@contextmanager
def filled(folder: Path) -> Iterator[None]:
    """Not a byte is left on the folder's file system, nor in the logs that SQLite writes again from
    their beginning.
    """
    for database in folder.glob("*.db"):
        with closing(sqlite3.connect(database, timeout=60)) as connection:
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    filler = folder / "filler"
    with filler.open("wb", buffering=0) as file:
        size = 1 << 20
        while size:
            try:
                file.write(b"\0" * size)
            except OSError:
                size //= 2
    try:
        yield
    finally:
        filler.unlink()


@asynccontextmanager
async def system(
    folder: Path, prefect: PrefectServer, **environment: str
) -> AsyncIterator[Orchestra]:
    async with orchestra(folder, prefect, RECONCILER_INTERVAL_SECONDS="1", **environment) as parts:
        for part in (parts.listener, parts.worker, parts.api):
            part.start()
        yield parts


async def test_a_locked_prefect_database_delays_runs_and_doubles_none(tmp_path: Path) -> None:
    """For 90 s: Prefect itself waits 60 s for a lock before it gives up."""
    prefect = PrefectServer(tmp_path)
    prefect.start()
    try:
        async with system(tmp_path, prefect) as parts, ledger_of(parts.bus, parts.name) as ledger:
            async with services_on(parts.bus, parts.name):
                await parts.bus.publish(first := an_opportunity())
                await ended(parts, first)
                events = [an_opportunity() for _ in range(5)]
                with locked(tmp_path / "prefect.db"):
                    until = time.monotonic() + 90
                    await parts.bus.publish(*events)
                    for event in events:
                        assert "pending" == (await recorded(parts, event)).status
                    await asyncio.sleep(until - time.monotonic())

                for event in events:
                    assert "completed" == (await ended(parts, event, within_seconds=120)).status
            await done_once(parts, ledger, [first, *events])
    finally:
        prefect.close()


async def test_locked_records_hold_events_back_and_lose_none(
    tmp_path: Path, prefect_server: PrefectServer
) -> None:
    """For 15 s: ours wait 10 s for a lock before they hand the event back."""
    async with (
        system(tmp_path, prefect_server) as parts,
        ledger_of(parts.bus, parts.name) as ledger,
    ):
        async with services_on(parts.bus, parts.name):
            await parts.bus.publish(first := an_opportunity())
            await ended(parts, first)
            events = [an_opportunity() for _ in range(5)]
            with locked(tmp_path / "records.db"):
                until = time.monotonic() + 15
                await parts.bus.publish(*events)
                await eventually(lambda: is_not_ready(parts), within_seconds=30)
                await asyncio.sleep(until - time.monotonic())

            for event in events:
                assert "completed" == (await ended(parts, event)).status
        await done_once(parts, ledger, [first, *events])


async def test_a_full_disk_under_the_records_refuses_writes_clearly_and_recovers(
    tmp_path: Path, small_disk: Path, prefect_server: PrefectServer
) -> None:
    bus = {"RABBITMQ_URL": f"sqlite:{tmp_path / 'bus.db'}"}
    async with (
        system(small_disk, prefect_server, **bus) as parts,
        ledger_of(parts.bus, parts.name) as ledger,
    ):
        async with services_on(parts.bus, parts.name):
            await parts.bus.publish(first := an_opportunity())
            await ended(parts, first)
            events = [an_opportunity() for _ in range(20)]
            with filled(small_disk):
                await parts.bus.publish(*events)
                await eventually(lambda: log_says(parts, "disk is full"), within_seconds=30)
                await eventually(lambda: is_not_ready(parts), within_seconds=30)

            for event in events:
                assert "completed" == (await ended(parts, event)).status
        await done_once(parts, ledger, [first, *events])


async def test_a_full_disk_under_the_prefect_server_delays_runs_and_loses_none(
    tmp_path: Path, small_disk: Path
) -> None:
    prefect = PrefectServer(small_disk)
    prefect.start()
    try:
        async with system(tmp_path, prefect) as parts, ledger_of(parts.bus, parts.name) as ledger:
            async with services_on(parts.bus, parts.name):
                await parts.bus.publish(first := an_opportunity())
                await ended(parts, first)
                events = [an_opportunity() for _ in range(20)]
                with filled(small_disk):
                    await parts.bus.publish(*events)
                    for event in events:
                        assert "pending" == (await recorded(parts, event)).status
                    await eventually(lambda: log_says(parts, "Prefect"), within_seconds=30)

                for event in events:
                    assert "completed" == (await ended(parts, event)).status
            await done_once(parts, ledger, [first, *events])
    finally:
        prefect.close()


async def is_not_ready(parts: Orchestra) -> bool:
    async with httpx.AsyncClient(timeout=20) as client:
        answer = await client.get(f"http://127.0.0.1:{parts.settings.server.port}/ready")
    return answer.status_code == 503


async def log_says(parts: Orchestra, words: str) -> bool:
    return words in parts.listener.log
