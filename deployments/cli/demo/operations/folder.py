"""The demo's folder: what operations work on there, and the environment that points to it."""

import json
import os
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path

from blocks.clock import utc_now
from blocks.processes.private_files import private_folder

_LINES = 2_000

KEPT = (
    "COLORTERM",
    "COLUMNS",
    "HOME",
    "LANG",
    "LC_ALL",
    "LC_CTYPE",
    "LOGNAME",
    "NO_COLOR",
    "PATH",
    "PYTHONPATH",
    "SSL_CERT_FILE",
    "STARTUP_WAIT_SECONDS",
    "TERM",
    "TMPDIR",
    "USER",
    "VIRTUAL_ENV",
)
"""Of the user's environment. Everything else could name what is theirs: a database, a broker."""


def prepare(folder: Path) -> dict[str, str]:
    """The folder holds log files, a lock and an advisory about a package in it, and a secret that
    others may read. Returns the settings with which operations work on these.
    """
    private_folder(folder)
    _write_logs(folder / "logs-of-the-shop")
    _write_lock(folder / "lock")
    secrets = folder / "secrets"
    private_folder(secrets)
    (secrets / "token").write_text("not a secret\n")
    (secrets / "token").chmod(0o644)
    return {
        "ORCHESTRATOR_DATA_DIR": str(folder / "data"),
        "LOG_ROTATION_PATHS": str(folder / "logs-of-the-shop" / "*.log"),
        "LOG_ROTATION_QUIET_HOURS": "0",
        "SECURITY_AUDIT_ADVISORIES": str(folder / "lock" / "advisories"),
        "SECURITY_AUDIT_LOCK_FILES": str(folder / "lock" / "requirements.lock"),
        "SECURITY_AUDIT_SECRETS": str(secrets),
        "HEALTH_MONITORING_GRACE_SECONDS": "0",
        "OPERATIONS_ENABLED": "false",  # no schedule starts what the demo starts
    }


def use_only(environment: Mapping[str, str]) -> None:
    """From now on, this process and its children know these variables, and nothing of the user's
    settings.
    """
    kept = {name: os.environ[name] for name in KEPT if name in os.environ}
    os.environ.clear()
    os.environ.update({**kept, "DO_NOT_TRACK": "1", **environment})


def _write_logs(folder: Path) -> None:
    """Two logs, and a rotated file that is too old to be kept."""
    private_folder(folder)
    for name in ("web", "worker"):
        lines = (f"{number:>6} GET /orders/{number} 200\n" for number in range(_LINES))
        with (folder / f"{name}.log").open("a") as log:
            log.writelines(lines)
    old = utc_now() - timedelta(days=60)
    (folder / f"web.log.{old:%Y%m%dT%H%M%SZ}").write_text("of two months ago\n")


def _write_lock(folder: Path) -> None:
    """A lock with an old package, and the advisory about it."""
    private_folder(folder)
    private_folder(folder / "advisories")
    (folder / "requirements.lock").write_text("parcels==1.0.0\nroutes==3.2.1\n")
    affected = {
        "package": {"ecosystem": "PyPI", "name": "parcels"},
        "ranges": [{"type": "ECOSYSTEM", "events": [{"introduced": "0"}, {"fixed": "1.0.4"}]}],
    }
    advisory = {
        "id": "DEMO-2026-1",
        "modified": "2026-01-01T00:00:00Z",
        "summary": "parcels reads files outside of its folder",
        "affected": [affected],
        "database_specific": {"severity": "HIGH"},
    }
    (folder / "advisories" / "DEMO-2026-1.json").write_text(json.dumps(advisory))
