"""Every command that a page shows is one: its name, its options and its arguments are known.

`curl` lines are sent (`tests/acceptance/api/test_documented_requests.py`); blocks are run, those of
runbooks by `tests/acceptance/operation/test_runbooks.py` and those of other pages, where they can,
by `tests/unit/docs/test_documented_blocks.py`. Here are all of our own.
"""

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from deployments.cli.app import cli

ROOT = Path(__file__).parents[3]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
TARGETS = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.M))

_SET = r"(?:[A-Z_]+=\S* )*"
_IN_A_BLOCK = re.compile(rf"^ {{4,}}(?:\$ )?{_SET}(?:\S*/)?((?:orchestrator|make) [^\n]*)$", re.M)
_INLINE = re.compile(rf"`{_SET}((?:orchestrator|make) [^`]+)`")
_FORM = re.compile(r"[…|\[<]| \.\.\.")
"""What shows a form and not a command: `orchestrator jobs list | trigger`."""


def shown(page: Path) -> Iterator[str]:
    text = page.read_text()
    for found in (*_IN_A_BLOCK.findall(text), *_INLINE.findall(text)):
        # Before what it is piped into, and before what the page says beside it.
        command = re.split(r" \| | > | && |; | &$| \\$| {2,}", found.replace("\n", " "))[0]
        if not _FORM.search(command):
            yield command


COMMANDS = sorted({command for page in PAGES for command in shown(page)})


def problem_of(command: str) -> str | None:
    """What the command's own parser says of it; types of values are not looked at."""
    program, *words = shlex.split(command, comments=True)
    if program == "make":
        targets = [word for word in words if "=" not in word]
        return next((f"no target {one}" for one in targets if one not in TARGETS), None)
    context = click.Context(cli, info_name=program, **cli.context_settings)
    current: click.Command = cli
    try:
        while isinstance(current, click.Group) and words:
            words = current.make_parser(context).parse_args(list(words))[1]
            if not words:
                return None
            name, *words = words
            found = current.get_command(context, name)
            if found is None:
                return f"no command {name}"
            current, context = found, click.Context(found, info_name=name, parent=context)
        left = [] if isinstance(current, click.Group) else _left(current, context, words)
    except click.UsageError as error:
        return error.format_message()
    return f"too many arguments: {' '.join(left)}" if left else None


def _left(command: click.Command, context: click.Context, words: list[str]) -> list[str]:
    return command.make_parser(context).parse_args(list(words))[1]


def test_pages_show_many() -> None:
    assert len(COMMANDS) > 150


@pytest.mark.parametrize("command", COMMANDS)
def test_a_documented_command_exists(command: str) -> None:
    assert problem_of(command) is None


@pytest.mark.parametrize(
    ("command", "problem"),
    [
        ("orchestrator exections list", "no command exections"),
        ("orchestrator executions list --tenent X", "No such option"),
        ("orchestrator version now", "too many arguments: now"),
        ("make no-such-target", "no target no-such-target"),
    ],
)
def test_one_that_does_not_exist_is_found(command: str, problem: str) -> None:
    assert problem in (problem_of(command) or "")
