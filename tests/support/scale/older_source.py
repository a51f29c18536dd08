"""The packages as an older version has them, from this checkout's history."""

import io
import subprocess
import tarfile
from pathlib import Path

ROOT = Path(__file__).parents[3]
COMMITS_BACK = 40
"""Until there are releases: far enough for changes on both sides of every record and event."""


def unpack_older_source(folder: Path) -> Path | None:
    """Where the newest release lies, or without one, what was some commits ago; None: this checkout
    has no history.
    """
    version = _git("describe", "--tags", "--abbrev=0") or _git(
        "rev-parse", "--verify", f"HEAD~{COMMITS_BACK}"
    )
    if not version:
        return None
    packed = subprocess.run(
        ["git", "archive", version.strip()], cwd=ROOT, check=True, capture_output=True
    ).stdout
    with tarfile.open(fileobj=io.BytesIO(packed)) as archive:
        archive.extractall(folder / "older", filter="data")
    return folder / "older"


def _git(*arguments: str) -> str:
    """What git says; nothing if it refuses."""
    done = subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True)
    return done.stdout if done.returncode == 0 else ""
