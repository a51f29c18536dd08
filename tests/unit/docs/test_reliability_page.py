"""docs/reliability.md: every case of the matrix is there, and every test it names exists."""

import re
from collections import defaultdict
from pathlib import Path

ROOT = Path(__file__).parents[3]
PAGE = (ROOT / "docs" / "reliability.md").read_text()
CASES = range(1, 66)
TESTS: dict[str, str] = defaultdict(str)
for file in (ROOT / "tests").rglob("test_*.py"):
    # one name in two folders: a case seen from inside and from outside
    TESTS[file.name] += file.read_text()


def test_every_case_of_the_matrix_has_its_place() -> None:
    listed = [int(number) for number in re.findall(r"\*\*(\d+)\*\*", PAGE)]

    assert list(CASES) == sorted(set(listed))


def test_every_test_it_names_exists() -> None:
    named = re.findall(r"`(test_\w+\.py)::(\w+)`", PAGE)

    assert [] == [
        f"{file}::{test}" for file, test in named if not re.search(rf"def {test}\(", TESTS[file])
    ]
    assert named


def test_every_file_it_names_exists() -> None:
    missing = [
        path
        for path in re.findall(r"`((?:blocks|tests|docs)/[\w/.]+)`", PAGE)
        if not (ROOT / path).exists()
    ]

    assert [] == missing


def test_every_failure_test_is_named_in_it() -> None:
    unnamed = [
        f"{file}::{test}"
        for file, source in list(TESTS.items())
        if file.startswith("test_failures_")
        for test in re.findall(r"^async def (test_\w+)\(", source, re.M)
        if f"`{file}::{test}`" not in PAGE
    ]

    assert [] == unnamed
