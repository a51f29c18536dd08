"""The benchmarks themselves: they run, and say what they measured."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.slow
def test_every_benchmark_runs_and_writes_its_figures(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "tests.benchmarks", "--quick", "--out", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    written = sorted(file.name.partition("-")[0] for file in tmp_path.glob("*.json"))
    assert [
        "api",
        "burst",
        "fairness",
        "idle",
        "intake",
        "journeys",
        "latency",
        "load",
        "memory",
        "pages",
        "peers",
        "phases",
        "rows",
        "scaling",
        "servers",
    ] == written


@pytest.mark.slow
def test_peers_that_cannot_be_installed_are_left_out_with_a_reason(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "tests.benchmarks", "peers", "--quick", "--out", str(tmp_path)]
    nowhere = {"BENCH_PEERS": str(tmp_path / "peers"), "PIP_NO_INDEX": "1"}
    done = subprocess.run(
        command, capture_output=True, text=True, check=False, env={**os.environ, **nowhere}
    )
    assert done.returncode == 0, done.stdout + done.stderr
    [file] = tmp_path.glob("peers-*.json")
    report = json.loads(file.read_text())
    assert report["note"].startswith(
        "Celery and BullMQ are left out, they could not be installed: ERROR: "
    )
    assert ["all embedded"] == [figure["name"] for figure in report["figures"]]
