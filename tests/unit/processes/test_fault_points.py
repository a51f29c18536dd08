"""Places where tests kill processes: each is in the product, and none is in force by itself."""

import re
from pathlib import Path

import pytest

from blocks.processes import fault_points

ROOT = Path(__file__).parents[3]
POINTS = (
    *fault_points.OF_THE_LISTENER,
    *fault_points.OF_AN_ANALYSIS,
    *fault_points.OF_AN_APPROVAL,
    *fault_points.OF_A_TRIGGER,
    *fault_points.OF_A_PHASE,
    *fault_points.OF_A_JOB,
    *fault_points.OF_A_DEAD_LETTER,
    *fault_points.OF_A_DELETION,
    *fault_points.OF_A_PAYOUT,
    *fault_points.OF_A_BACKUP,
    *fault_points.OF_A_CLOCK,
)


def test_the_list_holds_exactly_the_points_that_are_in_the_product() -> None:
    sources = [
        file
        for package in ("blocks", "flows", "listeners", "api")
        for file in (ROOT / package).rglob("*.py")
    ]
    named = {
        re.sub(r"\{.*\}", "*", name)
        for source in sources
        for name in re.findall(r'fault_points\.(?:reached|is_set)\(f?"([^"]+)"', source.read_text())
    }

    assert {re.sub(r"\d", "*", point) for point in POINTS} == named


@pytest.mark.parametrize("point", POINTS)
def test_without_the_variable_a_point_does_nothing(
    point: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("FAULT_POINT", raising=False)

    fault_points.reached(point)
