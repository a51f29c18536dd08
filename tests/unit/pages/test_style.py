"""The style sheet and the templates know the same classes, so that neither keeps what the other
has left.
"""

import re
from pathlib import Path

import pytest

from api.pages.assets import ASSETS

PAGES = Path("api/pages")
STYLE = re.sub(r"/\*.*?\*/", "", ASSETS["style.css"].content.decode(), flags=re.DOTALL)
TEMPLATES = "\n".join(path.read_text() for path in PAGES.rglob("*.html"))

_TONES = {"good", "bad", "busy", "waiting", "neutral", "done", "problem", "next"}
"""A template writes these from a value."""
_OF_SCRIPTS = {"at", "ago"}
"""`pages.js` adds or looks for these."""
_UNSTYLED = {"neutral", "next", "who", "ago", "quiet", "label"}
"""As everything else of their kind looks, by default."""


def styled() -> set[str]:
    selectors = re.sub(r"\{[^{}]*\}", " ", STYLE)
    return set(re.findall(r"\.([a-z][a-z-]*)", selectors))


def used() -> set[str]:
    attributes = re.findall(r'class="((?:\{\{.*?\}\}|\{%.*?%\}|[^"])*)"', TEMPLATES)
    written = " ".join(
        re.sub(r"\{\{.*?\}\}|\{%.*?%\}", _words_of, attribute) for attribute in attributes
    )
    return set(written.split())


def _words_of(expression: re.Match[str]) -> str:
    """The classes that it may write: its strings; a condition's are none."""
    text = re.sub(r'[!=]= *"[^"]*"', "", expression.group())
    return " ".join(re.findall(r'"([a-z ]+)"', text)) if "{{" in text else ""


def test_a_style_is_for_what_templates_have() -> None:
    assert set() == styled() - used() - _TONES - _OF_SCRIPTS


def test_what_templates_name_has_a_style() -> None:
    assert set() == used() - styled() - _UNSTYLED


@pytest.mark.parametrize(("opened", "closed"), [("{", "}"), ("(", ")"), ("[", "]")])
def test_every_block_is_closed(opened: str, closed: str) -> None:
    assert STYLE.count(opened) == STYLE.count(closed)
