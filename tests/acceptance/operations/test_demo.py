"""`orchestrator demo operations` as a person starts it: all ten run in a local stack, with effects
that can be seen on disk.
"""

import gzip
import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from blocks.contracts.operations import OPERATIONS

pytestmark = pytest.mark.long

LIMIT_SECONDS = 560.0


class Demo:
    """One that has ended, and its folder."""

    def __init__(self, folder: Path, ended: subprocess.CompletedProcess[str]) -> None:
        self.folder = folder / "demo-operations"
        self.ended = ended
        self.shown = ended.stdout

    def files(self, pattern: str) -> list[Path]:
        return sorted(self.folder.glob(pattern))

    def row(self, workflow: str) -> str:
        """Of the table at the end, up to the next one."""
        table = self.shown.partition("WHAT WAS DONE")[2]
        behind = table.partition(f"\n{workflow} ")[2]
        return " ".join(behind.partition("/runs/flow-run/")[0].split())


@pytest.fixture(scope="module")
def trap() -> Iterator[socket.socket]:
    """Where the user's database and services are said to be."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield listening


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory, trap: socket.socket) -> Demo:
    folder, port = tmp_path_factory.mktemp("of-the-user"), trap.getsockname()[1]
    theirs = {
        "DATABASE_URL": f"postgresql://theirs@127.0.0.1:{port}/theirs",
        "REDIS_URL": f"redis://127.0.0.1:{port}",
        "COMMS_HUB_URL": f"http://127.0.0.1:{port}",
        "RABBITMQ_URL": f"amqp://127.0.0.1:{port}",
        "PREFECT_API_URL": f"http://127.0.0.1:{port}/api",
        "LOG_ROTATION_PATHS": f"{folder}/*.log",
    }
    (folder / "theirs.log").write_text("a line\n")
    inherited = dict(os.environ)
    inherited.pop("PYTHONDONTWRITEBYTECODE", None)
    ended = subprocess.run(
        [sys.executable, "-m", "deployments.cli", "demo", "operations"],
        env={
            **inherited,
            **theirs,
            "ORCHESTRATOR_DATA_DIR": str(folder),
            "STARTUP_WAIT_SECONDS": "280",  # on a busy machine,
        },
        capture_output=True,
        text=True,
        check=False,
        timeout=LIMIT_SECONDS,
    )
    assert ended.returncode == 0, ended.stderr + ended.stdout
    return Demo(folder, ended)


def test_every_operation_completes_and_links_to_its_run(demo: Demo) -> None:
    for operation in OPERATIONS:
        assert demo.row(operation.id).startswith("completed"), demo.shown
    assert len(OPERATIONS) == demo.shown.count("/runs/flow-run/")


def test_the_content_of_the_cms_is_kept(demo: Demo) -> None:
    names = [path.name for path in demo.files("data/cms/*.json")]
    assert ["menu.json", "pages.json", "posts.json", "services.json"] == names


def test_the_database_is_backed_up_and_the_backup_verified(demo: Demo) -> None:
    assert "restored and compared: 2 tables, 5,800 rows" in demo.row("database-backup")
    assert [path for path in demo.files("data/backups/**/*") if path.stat().st_size > 10_000]


def test_what_is_down_is_alerted_of(demo: Demo) -> None:
    row = demo.row("health-monitoring")
    assert "failing: endpoint search" in row
    assert "1 alert sent" in row


def test_logs_are_rotated_compressed_and_deleted(demo: Demo) -> None:
    logs, kept = demo.folder / "logs-of-the-shop", demo.files("logs-of-the-shop/*.log.*.gz")
    assert ["web", "worker"] == [path.name.partition(".")[0] for path in kept]
    assert 2_000 == len(gzip.decompress(kept[0].read_bytes()).splitlines())
    assert b"" == (logs / "web.log").read_bytes()


def test_dead_rows_and_keys_of_the_cache_are_gone(demo: Demo) -> None:
    row = demo.row("performance-optimization")
    assert "300 keys purged" in row
    assert "1 of 2 tables vacuumed, dead rows 400 to 0" in row


def test_the_planted_package_is_reported(demo: Demo) -> None:
    [stored] = demo.files("data/security-audits/*.json")
    [found] = json.loads(stored.read_text())["vulnerabilities"]
    assert "parcels 1.0.0 in requirements.lock" == found["subject"]


def test_people_have_their_messages(demo: Demo) -> None:
    assert "7 were taken by the simulated communications hub" in demo.shown


def test_nothing_of_the_users_is_touched(demo: Demo, trap: socket.socket) -> None:
    trap.setblocking(False)
    with pytest.raises(BlockingIOError):
        trap.accept()
    user = demo.folder.parent
    assert ["demo-operations", "theirs.log"] == sorted(path.name for path in user.iterdir())
