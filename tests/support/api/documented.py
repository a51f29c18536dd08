"""The `curl` commands that the documentation shows, as a reader would copy them; runbooks have a
test of their own.
"""

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import msgspec

DOCS = Path(__file__).parents[3] / "docs"


class Command(msgspec.Struct, frozen=True):
    """One command of a page, its continuation lines and what it is piped into included."""

    page: str
    line: int
    text: str

    @property
    def name(self) -> str:
        return f"{self.page}:{self.line}"


def curl_commands() -> list[Command]:
    return [command for page in sorted(DOCS.glob("*.md")) for command in _of(page)]


def _of(page: Path) -> Iterator[Command]:
    lines = iter(enumerate(page.read_text().splitlines(), 1))
    for number, line in lines:
        match = re.match(r" {4,}(?:\$ )?(curl .*)", line)
        if match:
            text = match[1]
            while not _is_complete(text):
                text += "\n" + next(lines)[1].strip()
            yield Command(page.name, number, text)


def _is_complete(text: str) -> bool:
    try:
        shlex.split(text)
    except ValueError:
        return False
    return not text.endswith(("\\", "|"))
