"""The output of a long-running command at a terminal: one aligned line per event."""

import click

from blocks.observability.plain_text import plain

COLOURS = {
    "ready": "green",
    "restarted": "green",
    "stopped": "bright_black",
    "restarting": "yellow",
    "killed": "red",
    "failed": "red",
}


def say(name: str, state: str, detail: str = "", *, seconds: float | None = None) -> None:
    """`name  state  detail  (seconds)`, coloured by state on a terminal only."""
    took = "" if seconds is None else click.style(f"({seconds:.1f} s)", dim=True)
    columns = f"  {name:<10}  {click.style(f'{state:<10}', fg=COLOURS.get(state))}  {plain(detail)}"
    click.echo(f"{columns}  {took}".rstrip())


def say_plainly(text: str = "") -> None:
    click.echo(text)


def say_serious(name: str, line: str) -> None:
    """A warning or error of a child, prefixed with its name, on stderr."""
    click.echo(f"  {click.style(f'{name:<10}', fg='yellow')}  {plain(line)}", err=True)
