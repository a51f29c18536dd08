"""What the page of a run shows row by row."""

import json
from typing import Any

import pytest

from blocks.contracts.operations import operation_named
from flows.shared.operations.step_tables import ROWS_MAX, TABLES, table_of


def rows_of(operation: str, step: str, result: dict[str, Any]) -> list[dict[str, str]]:
    shown = table_of(operation, step, result)
    return json.loads(str(shown.data)) if shown else []


@pytest.mark.parametrize(("operation", "step"), TABLES)
def test_every_table_is_of_a_step_that_there_is(operation: str, step: str) -> None:
    known = operation_named(operation)
    assert known
    assert step in [one.id for one in known.steps]


def test_a_row_shows_each_figure_as_a_person_writes_it() -> None:
    page = {"url": "http://core/a", "responseTime": 1204, "bytes": 8_000, "warmed": True}

    assert [
        {
            "page": r"http\:\/\/core\/a",
            "milliseconds": "1,204",
            "bytes": "8,000",
            "error": "",
        }
    ] == rows_of("cache-warmup", "warmup-api", {"details": [page]})


def test_what_comes_from_outside_can_be_no_link() -> None:
    finding = {"severity": "high", "subject": "a", "problem": "[b](http://c) | d", "remedy": ""}

    [row] = rows_of("security-audit", "scan-vulnerabilities", {"vulnerabilities": [finding]})

    assert r"\[b\]\(http\:\/\/c\) \| d" == row["problem"]


@pytest.mark.parametrize("result", [{}, {"vulnerabilities": []}])
def test_without_rows_there_is_no_table(result: dict[str, Any]) -> None:
    assert table_of("security-audit", "scan-vulnerabilities", result) is None
    assert table_of("log-rotation", "no-such-step", result) is None


def test_a_long_list_is_cut_and_its_title_says_so() -> None:
    files = [{"file": f"{number}.log", "bytes": 1} for number in range(ROWS_MAX + 50)]

    shown = table_of("log-rotation", "rotate-logs", {"files": files})

    assert shown
    assert f"Logs that were rotated (the first {ROWS_MAX} of 250)" == shown.description
    assert ROWS_MAX == len(json.loads(str(shown.data)))
