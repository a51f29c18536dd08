"""The chaos driver itself: its plan follows from the seed, and its smallest run keeps every
promise.
"""

import json
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from tests.chaos.plan import Plan, plan_of
from tests.chaos.profile import PROFILES
from tests.chaos.toxins import TOXINS


def what_happens(plan: Plan) -> list[object]:
    """All of it but the bodies, which hold the moment of their making."""
    published = [(one.at, [message.id for message in one.messages]) for one in plan.publishes]
    return [plan.tenant_ids, published, plan.interventions, plan.faults, plan.events, plan.toxic]


def test_the_same_seed_gives_the_same_plan() -> None:
    assert what_happens(plan_of(PROFILES["ci"], 7)) == what_happens(plan_of(PROFILES["ci"], 7))


def test_another_seed_gives_another_plan() -> None:
    assert what_happens(plan_of(PROFILES["ci"], 7)) != what_happens(plan_of(PROFILES["ci"], 8))


@pytest.mark.parametrize("name", PROFILES)
def test_a_plan_holds_what_its_profile_says(name: str) -> None:
    profile = PROFILES[name]
    plan = plan_of(profile, 7)
    kinds = Counter(fault.kind for fault in plan.faults)
    assert profile.events == len(plan.events)
    assert profile.kills == kinds["kill"]
    assert profile.broker_restarts == kinds["broker killed"] + kinds["broker stopped"]
    assert profile.server_restarts == kinds["server killed"]
    assert {toxin.code for toxin in TOXINS} == set(plan.toxic.values())


def test_the_long_run_is_what_the_promise_asks_for() -> None:
    soak = PROFILES["soak"]
    assert (soak.events, True, True, True) == (
        10_000,
        soak.kills >= 50,
        soak.broker_restarts >= 10,
        soak.server_restarts >= 5,
    )


@pytest.mark.slow
def test_every_promise_is_kept_in_the_smallest_run(tmp_path: Path) -> None:
    command = [
        sys.executable,
        "-m",
        "tests.chaos",
        "--profile",
        "smallest",
        "--seed",
        "1",
        "--out",
        str(tmp_path),
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    [report] = [json.loads(file.read_text()) for file in tmp_path.glob("chaos-*.json")]
    assert (True, 60) == (report["kept"], report["counts"]["events confirmed"])
