"""The report: for a person a table, worst first; for a program JSON."""

from collections.abc import Mapping, Sequence

import click

from blocks.observability.plain_text import plain_lines
from deployments.doctor.finding import EXIT_CODES, Finding, State, worst
from deployments.printing import PlainTable, console, say_json, styled

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
        click.echo(plain_lines(f"Repaired: {done or 'nothing, there was nothing to repair'}\n"))
    console(_WIDTH_OF_A_FILE).print(_table(findings))
    click.echo(plain_lines(f"\n{_VERDICTS[worst(findings)]}"))


def print_json(findings: Sequence[Finding], repairs: Mapping[str, int] | None) -> None:
    """One object: `state`, `findings` in the order of the checks, and `repairs` if any were asked
    for.
    """
    report: dict[str, object] = {"state": worst(findings), "findings": findings}
    if repairs is not None:
        report["repairs"] = repairs
    say_json(report, indent=2)


def _table(findings: Sequence[Finding]) -> PlainTable:
    table = PlainTable(box=None, pad_edge=False, header_style="bold", padding=(0, 2, 0, 0))
    table.add_column("PART", no_wrap=True)
    table.add_column("STATE", no_wrap=True)
    table.add_column("FOUND", overflow="fold")
    if any(finding.todo for finding in findings):
        table.add_column("WHAT TO DO", overflow="fold")
    for finding in sorted(findings, key=lambda finding: -EXIT_CODES[finding.state]):
        cells = (
            finding.part,
            styled(finding.state, _COLOURS[finding.state]),
            finding.found,
            finding.todo,
        )
        table.add_row(*cells[: len(table.columns)])
    return table
