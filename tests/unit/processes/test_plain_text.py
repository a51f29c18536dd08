"""Text from outside: shown as it is spelled, never obeyed by a terminal or taken for a line of
ours.
"""

import json
import logging
import sys
import unicodedata
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from blocks.observability.plain_text import plain, plain_json, plain_lines
from deployments import logs

ANY_TEXT = st.text(st.characters())


def is_obeyed(char: str) -> bool:
    return unicodedata.category(char) in ("Cc", "Cf", "Cs", "Zl", "Zp")


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("Ärzte & 株式会社 🙂 a[/foo] [red]", "Ärzte & 株式会社 🙂 a[/foo] [red]"),
        ("a\x1b]0;title\x07b", r"a\x1b]0;title\x07b"),
        ("a\nb\r\tc", r"a\nb\r\tc"),
        ("\u202efdp.exe", r"\u202efdp.exe"),
        ("\x9b31m", r"\x9b31m"),
        ("a\u2028b\u200b\ufeff", r"a\u2028b\u200b\ufeff"),
        ("\ud800", r"\ud800"),
        ("C:\\x1b", "C:\\x1b"),
        ("C:\\new\n", r"C:\\new\n"),
    ],
)
def test_what_a_terminal_would_obey_is_spelled_out(text: str, shown: str) -> None:
    assert shown == plain(text)


@given(ANY_TEXT)
def test_any_text_becomes_one_line_that_says_all_of_it(text: str) -> None:
    shown = plain(text)
    assert not any(map(is_obeyed, shown))
    if shown != text:
        # Two texts never look alike: Python reads the spelling back.
        assert text == shown.encode("latin-1", "backslashreplace").decode("unicode_escape")


@given(ANY_TEXT)
def test_lines_stay_lines_and_nothing_else_is_obeyed(text: str) -> None:
    assert not any(char != "\n" and is_obeyed(char) for char in plain_lines(text))


@given(st.dictionaries(st.text(), st.text()))
def test_json_for_a_terminal_has_the_same_values(values: dict[str, str]) -> None:
    shown = plain_json(json.dumps(values, ensure_ascii=False))
    assert not any(map(is_obeyed, shown))
    assert values == json.loads(shown)


# --- logs -----------------------------------------------------------------------------------------


def a_record(message: str, error: Any = None) -> logging.LogRecord:
    return logs.RedactedRecord("a.logger", logging.WARNING, __file__, 1, "%s", (message,), error)


def raised(message: str) -> Any:
    try:
        raise ValueError(message)
    except ValueError:
        return sys.exc_info()


@given(ANY_TEXT)
def test_one_record_is_one_line_of_text_whatever_it_holds(text: str) -> None:
    line = logs.TextFormatter("listener").format(a_record(text))
    assert not any(map(is_obeyed, line))


@given(ANY_TEXT)
def test_the_lines_of_a_traceback_never_begin_like_a_record(text: str) -> None:
    forged = f"{text}\n2026-11-28T06:00:00.000Z INFO    listener a.logger: all is well"
    first, *others = (
        logs.TextFormatter("listener").format(a_record("failed", raised(forged))).split("\n")
    )
    assert first.endswith("failed")
    assert all(line.startswith("  ") and not any(map(is_obeyed, line)) for line in others)


@given(ANY_TEXT)
def test_a_json_record_is_one_line_that_no_terminal_obeys(text: str) -> None:
    line = logs.JsonFormatter("listener").format(a_record(text))
    assert not any(map(is_obeyed, line))
    assert text.encode(errors="backslashreplace").decode() == json.loads(line)["message"]
