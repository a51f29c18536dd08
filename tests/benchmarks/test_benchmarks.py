"""The benchmarks themselves: they run, and say what they measured."""

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
        "scaling",
        "servers",
    ] == written
