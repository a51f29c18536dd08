"""Code and documents use the words of docs/glossary.md; those of an earlier dialect stay away."""

import ast
import io
import re
import tokenize
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
PACKAGES = ("blocks", "flows", "listeners", "api", "deployments")
SOURCES = sorted(path for package in PACKAGES for path in (ROOT / package).rglob("*.py"))
PAGES = sorted(
    path
    for path in (*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"))
    if path.name not in ("CHANGELOG.md", "glossary.md")
)

NAMES = {
    "EarlierEnd": "PreviousOutcome",
    "Hearer": "Subscriber",
    "MirrorRecord": "ReconcilerRecord",
    "hearer": "subscriber",
    "overhear": "subscribe",
    "Patient": "Connections, or Retrying…",
    "patient": "connections",
    "Roll": "LivenessSnapshot",
    "Said": "ServerMessage",
    "SignOfLife": "Heartbeat",
    "as_soon_as_there": "wait_until_available",
    "earlier_ends": "previous_outcomes",
    "brought_in": "connect",
    "going_by_the_server": "synchronized_with_server_clock",
    "tell_dispatchers": "notify_dispatchers",
    "wish": "request",
    "world": "context",
    "wound_on": "apply_timers",
}

PROSE = re.compile(
    r"\b(anew|anybody|nobody|somebody|tells?|sign of life|called off|"
    r"calling off|calls the roll|"
    r"taken up|the walk of|wish(es)?)\b",
    re.IGNORECASE,
)


IDENTIFIERS = re.compile(r"_*(told|tells?|heard|hears?|said|anew|nobody|somebody)")


@pytest.mark.parametrize("name", NAMES)
def test_an_earlier_name_is_gone(name: str) -> None:
    # the others are words of English, too
    pages = PAGES if re.search(r"[a-z][A-Z]|_", name) else []
    found = [
        str(path.relative_to(ROOT))
        for path in (*SOURCES, *pages)
        if re.search(rf"\b{name}\b", path.read_text())
    ]

    assert [] == found, f"it is called {NAMES[name]}"


def test_no_variable_or_function_has_a_name_of_the_earlier_dialect() -> None:
    assert [] == [
        f"{path.relative_to(ROOT)}: {name}"
        for path in SOURCES
        for name in names_in(path.read_text())
        if IDENTIFIERS.fullmatch(name)
    ]


def test_docstrings_comments_and_texts_are_plain() -> None:
    assert [] == [
        f"{path.relative_to(ROOT)}: {line.strip()}"
        for path in SOURCES
        for text in prose_of(path.read_text())
        for line in text.splitlines()
        if PROSE.search(re.sub(r"`[^`]*`", "", line))
    ]


def names_in(source: str) -> Iterator[str]:
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name):
                yield name
            case ast.Name(id=name) | ast.arg(arg=name) | ast.Attribute(attr=name):
                yield name


def prose_of(source: str) -> Iterator[str]:
    """Comments, and all texts: docstrings, also those of fields, log lines, errors, help."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.COMMENT:
            yield token.string
