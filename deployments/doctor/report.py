"""The report: for a person a table, worst first; for a program JSON."""

from collections.abc import Mapping, Sequence

import click
import msgspec
from rich.console import Console
from rich.table import Table

from deployments.doctor.finding import EXIT_CODES, Finding, State, worst

_COLOURS: Mapping[State, str] = {"ok": "green", "warning": "yellow", "failed": "bold red"}
_WIDTH_OF_A_FILE = 160

_VERDICTS: Mapping[State, str] = {
    "ok": "All is well.",
    "warning": "It works; something deserves a look.",
    "failed": "Something does not work.",
}


def print_report(findings: Sequence[Finding], repairs: Mapping[str, int] | None) -> None:
    """What was repaired, the table and a verdict."""
    if repairs is not None:
        done = ", ".join(f"{count} {kind}" for kind, count in repairs.items() if count)
        click.echo(f"Repaired: {done or 'nothing, there was nothing to repair'}\n")
    console = Console()
    if not console.is_terminal:
        console.width = _WIDTH_OF_A_FILE
    console.print(_table(findings))
    click.echo(f"\n{_VERDICTS[worst(findings)]}")


def print_json(findings: Sequence[Finding], repairs: Mapping[str, int] | None) -> None:
    """One object: `state`, `findings` in the order of the checks, and `repairs` if any were asked for."""
    report: dict[str, object] = {"state": worst(findings), "findings": findings}
    if repairs is not None:
        report["repairs"] = repairs
    click.echo(msgspec.json.format(msgspec.json.encode(report), indent=2).decode())


def _table(findings: Sequence[Finding]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 2, 0, 0))
    table.add_column("PART", no_wrap=True)
    table.add_column("STATE", no_wrap=True)
    table.add_column("FOUND", overflow="fold")
    if any(finding.todo for finding in findings):
        table.add_column("WHAT TO DO", overflow="fold")
    for finding in sorted(findings, key=lambda finding: -EXIT_CODES[finding.state]):
        state = f"[{_COLOURS[finding.state]}]{finding.state}[/]"
        cells = (_plain(finding.part), state, _plain(finding.found), _plain(finding.todo))
        table.add_row(*cells[: len(table.columns)])
    return table


def _plain(text: str) -> str:
    """Square brackets are rich's markup."""
    return text.replace("[", r"\[")
