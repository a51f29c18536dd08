"""How the command line prints data: the only path from records and events to the terminal.

Contract: text is printed literally; control characters are escaped, and rich's markup is not
applied to data. Colours are given beside a text, as a `Text` from `styled`.
"""

from collections.abc import Iterable, Mapping
from typing import Any

import click
import msgspec
from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, RenderResult
from rich.measure import Measurement
from rich.style import StyleType
from rich.table import Table
from rich.text import Text

from blocks.observability.plain_text import plain, plain_json, plain_lines

Cell = str | Text | None

_WIDTH_OF_A_FILE = 250

_WHOLE_MAX = 80
"""A cell that may not wrap is shown whole up to this width: all ids, names and moments are."""


class PlainTable(Table):
    """A table without lines, whose cells are texts as they are. It is wider than a narrow terminal,
    which breaks its lines, before an id in it is cut off.
    """

    def add_row(
        self, *cells: Any, style: StyleType | None = None, end_section: bool = False
    ) -> None:
        shown = (Text(plain(cell)) if isinstance(cell, str) else cell for cell in cells)
        super().add_row(*shown, style=style, end_section=end_section)

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        for column in self.columns:
            if column.no_wrap:
                column.min_width = min(_WHOLE_MAX, max(map(_width, (column.header, *column.cells))))
        needed = Measurement.get(console, options.update(max_width=_WIDTH_OF_A_FILE), self).minimum
        return super().__rich_console__(
            console, options.update(max_width=max(options.max_width, needed))
        )


class PlainConsole(Console):
    """Leaves it to the terminal to break what is wider than it is."""

    def print(self, *objects: Any, crop: bool | None = None, **options: Any) -> None:
        super().print(*objects, crop=False if crop is None else crop, **options)


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


def console(width_of_a_file: int = _WIDTH_OF_A_FILE) -> PlainConsole:
    """The terminal; into a pipe or file, lines as long as they are."""
    out = PlainConsole(highlight=False, markup=False, emoji=False)
    if out.is_terminal:
        return out
    return PlainConsole(highlight=False, markup=False, emoji=False, width=width_of_a_file)


def _width(cell: object) -> int:
    """Of its longest line."""
    return max((cell_len(line) for line in str(cell).splitlines()), default=0)


def say_line(text: str, *, error: bool = False) -> None:
    """The text, whatever it holds, on one line."""
    click.echo(plain(text), err=error)


def say_lines(text: str, *, error: bool = False) -> None:
    click.echo(plain_lines(text), err=error)


def say_json(value: object, *, indent: int = 0) -> None:
    """The value as JSON: on one line, or indented."""
    encoded = msgspec.json.encode(value)
    click.echo(
        plain_json((msgspec.json.format(encoded, indent=indent) if indent else encoded).decode())
    )
