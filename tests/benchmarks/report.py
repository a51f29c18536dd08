"""What a benchmark found: a table for people, JSON for machines."""

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
from rich.console import Console
from rich.table import Table

from tests.benchmarks.machine import machine

FOLDER = Path("build/bench")


class Figure(msgspec.Struct, frozen=True):
    """One measured number; `at_least` or `at_most` is its target, if it has one."""

    name: str
    value: float
    unit: str
    at_least: float | None = None
    at_most: float | None = None

    @property
    def target(self) -> str:
        if self.at_least is not None:
            return f"≥ {self.at_least:g} {self.unit}"
        return f"≤ {self.at_most:g} {self.unit}" if self.at_most is not None else ""

    @property
    def is_met(self) -> bool | None:
        if self.at_least is not None:
            return self.value >= self.at_least
        return self.value <= self.at_most if self.at_most is not None else None


class Report(msgspec.Struct):
    """A benchmark's outcome. `samples` are the single measurements behind the figures; `note` says
    what is missing, if something is.
    """

    name: str
    question: str
    parameters: dict[str, Any]
    figures: list[Figure]
    samples: list[dict[str, Any]]
    note: str = ""

    def write(self, folder: Path) -> Path:
        """The file, named after the benchmark and the moment."""
        folder.mkdir(parents=True, exist_ok=True)
        now = datetime.now(UTC)
        file = folder / f"{self.name}-{now:%Y%m%dT%H%M%SZ}.json"
        content = {"date": now.isoformat(), "machine": machine(), **msgspec.to_builtins(self)}
        content["figures"] = [
            {**msgspec.to_builtins(figure), "target": figure.target, "met": figure.is_met}
            for figure in self.figures
        ]
        file.write_text(json.dumps(content, indent=2, default=str))
        return file

    def show(self, console: Console) -> None:
        console.print()
        console.print(figures_table(f"{self.name}: {self.question}", self.figures))
        if self.note:
            console.print(self.note, style="yellow")
        for table in samples_tables(self.samples):
            console.print(table)


def figures_table(title: str, figures: Sequence[Figure]) -> Table:
    table = Table(title=title, title_justify="left", title_style="bold")
    table.add_column("figure")
    table.add_column("measured", justify="right")
    table.add_column("target", justify="right")
    table.add_column("met")
    for figure in figures:
        met = {True: "[green]yes[/]", False: "[red]no[/]", None: ""}[figure.is_met]
        table.add_row(figure.name, f"{rounded(figure.value)} {figure.unit}", figure.target, met)
    return table


def samples_tables(samples: Sequence[dict[str, Any]]) -> list[Table]:
    """One row per sample, numbered; what is nested in a sample gets a table of its own."""
    nested = list(
        dict.fromkeys(key for sample in samples for key in sample if isinstance(sample[key], dict))
    )
    flat = [
        {key: value for key, value in sample.items() if key not in nested} for sample in samples
    ]
    return [
        _table("samples", dict(enumerate(flat, 1))),
        *(
            _table(key, {n: sample[key] for n, sample in enumerate(samples, 1) if key in sample})
            for key in nested
        ),
    ]


def _table(title: str, rows: Mapping[int, Mapping[str, Any]]) -> Table:
    columns = list(dict.fromkeys(key for row in rows.values() for key in row))
    table = Table(
        "", *(column.replace("_", " ") for column in columns), title=title.replace("_", " ")
    )
    table.title_justify = "left"
    for number, row in rows.items():
        table.add_row(str(number), *(_cell(row.get(column)) for column in columns))
    return table


def rounded(value: float) -> str:
    return f"{value:.0f}" if abs(value) >= 100 else f"{value:.3g}"


def _cell(value: Any) -> str:
    if isinstance(value, float):
        return rounded(value)
    return "" if value is None else str(value)
