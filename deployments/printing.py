"""How the command line prints data: the only path from records and events to the terminal.

Contract: text is printed literally; control characters are escaped, and rich's markup is not
applied to data. Colours are given beside a text, as a `Text` from `styled`.
"""

from collections.abc import Iterable, Mapping
from typing import Any

import click
import msgspec
from rich.console import Console
from rich.style import StyleType
from rich.table import Table
from rich.text import Text

from blocks.observability.plain_text import plain, plain_json, plain_lines

Cell = str | Text | None

_WIDTH_OF_A_FILE = 250


class PlainTable(Table):
    """A table without lines, whose cells are texts as they are."""

    def add_row(
        self, *cells: Any, style: StyleType | None = None, end_section: bool = False
    ) -> None:
        shown = (Text(plain(cell)) if isinstance(cell, str) else cell for cell in cells)
        super().add_row(*shown, style=style, end_section=end_section)


def table_of(*headings: str, wraps: Iterable[str] = ()) -> PlainTable:
    """A table with these columns; those that wrap may take several lines."""
    table, may_wrap = PlainTable(box=None, pad_edge=False, header_style="bold"), set(wraps)
    for heading in headings:
        table.add_column(Text(plain(heading)), no_wrap=heading not in may_wrap)
    return table


def facts_of(facts: Mapping[str, Cell]) -> PlainTable:
    """One line per fact that there is, its name dimmed."""
    table = PlainTable(
        padding=(0, 2), collapse_padding=True, pad_edge=False, box=None, show_header=False
    )
    for name, value in facts.items():
        if value:
            table.add_row(styled(name, "dim"), value)
    return table


def styled(text: str, style: str | None) -> Text:
    return Text(plain(text), style=style or "")


def text_of_lines(lines: Iterable[str]) -> Text:
    """Several texts below one another in one cell."""
    return Text("\n".join(map(plain, lines)))


def console(width_of_a_file: int = _WIDTH_OF_A_FILE) -> Console:
    """The terminal; into a pipe or file, lines as long as they are."""
    out = Console(highlight=False, markup=False, emoji=False)
    if out.is_terminal:
        return out
    return Console(highlight=False, markup=False, emoji=False, width=width_of_a_file)


def say_line(text: str, *, error: bool = False) -> None:
    """The text, whatever it holds, on one line."""
    click.echo(plain(text), err=error)


def say_lines(text: str) -> None:
    click.echo(plain_lines(text))


def say_json(value: object, *, indent: int = 0) -> None:
    """The value as JSON: on one line, or indented."""
    encoded = msgspec.json.encode(value)
    click.echo(
        plain_json((msgspec.json.format(encoded, indent=indent) if indent else encoded).decode())
    )
