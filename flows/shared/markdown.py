"""Markdown for Prefect's pages, of texts that come from outside.

Purpose: an opportunity's name, a service's error or a person's comment stands in a page that
operators read. Contract: such a text is shown as it is, on one line, and can be neither a link nor
an image nor HTML, nor end the cell of a table. Prefect's UI renders artifacts, cells of its tables
and descriptions with GitHub's dialect, which makes links of bare addresses, too.
"""

import re
from collections.abc import Sequence

from blocks.observability.plain_text import shortened

CELL_LENGTH_MAX = 300

_PUNCTUATION = re.compile(r"([!-/:-@\[-`{-~])")
"""All of ASCII's: each may follow a backslash, https://spec.commonmark.org/0.31.2/#backslash-escapes
"""


def text(value: object, length: int = CELL_LENGTH_MAX) -> str:
    """The value as it is, at most `length` characters before they are escaped."""
    return _PUNCTUATION.sub(r"\\\1", shortened(str(value), length))


def link(title: str, url: str) -> str:
    """A link of our own making; the address must be one of ours."""
    return f"[{text(title)}](<{url}>)"


def code(value: str) -> str:
    """A command or an id, to be copied; only for what holds no backtick."""
    return f"`{shortened(value, CELL_LENGTH_MAX).replace('`', '')}`"


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table of cells that are Markdown already."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)
