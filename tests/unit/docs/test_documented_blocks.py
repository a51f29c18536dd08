"""Commands in the blocks of the pages are run here as they are written, on the embedded store and
bus.

Those of the runbooks are run against real processes (`test_runbooks.py`), and so are `curl` lines;
that every command exists is `tests/unit/docs/test_documented_commands.py`.
"""

import asyncio
import os
import re
import shlex
from unittest.mock import patch

import pytest

from blocks.dead_letters import letters
from blocks.ports import RecordStore
from blocks.services import open_store
from blocks.settings import Settings, load_settings
from deployments.bootstrap.provision import provision
from deployments.cli.app import cli
from tests.support.factories import (
    A_TENANT,
    a_dead_letter,
    a_webhook,
    an_approval,
    an_approval_asked_back,
    new_id,
)
from tests.unit.docs.test_documented_commands import PAGES

_LINE = re.compile(r"^ {4,}(?:\$ )?(orchestrator [^\n]*)$", re.M)

NOT_RUN = {
    "is a process, or starts some": r"(up|api|listener|worker|demo)\b",
    "needs Prefect: the tests of disasters and of the stack run it": (
        r"(bootstrap|doctor|executions missing)"
    ),
    "needs a database: run with the runbooks": r"ops backup",
    "opens an editor": r"dead-letters edit ID +#",
    "reads a file that the page shows": r"(definitions set|dead-letters edit ID --file)",
    "names a key of its example": r"keys revoke",
    "asks the name server of the customer": r"webhooks add",
    "is of the cut-over, which has a test of its own": r"migrate --apply",
}
"""Commands that are left out, and why."""


def runnable() -> dict[str, str]:
    """Of each command, a page that shows it."""
    return {
        line: page.stem
        for page in PAGES
        if {"runbooks", "reference"}.isdisjoint(page.parts)
        for line in _LINE.findall(page.read_text())
        if not any(re.search(f"orchestrator {left_out}", line) for left_out in NOT_RUN.values())
    }


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """An installation that all commands share, as a reader's does."""
    folder = tmp_path_factory.mktemp("installation")
    settings = load_settings({"ORCHESTRATOR_DATA_DIR": str(folder)})
    asyncio.run(provision(settings))
    return settings


def test_pages_show_many() -> None:
    assert len(runnable()) > 30


@pytest.mark.parametrize("line", [pytest.param(line, id=line[13:60]) for line in runnable()])
def test_a_documented_command_works(line: str, settings: Settings) -> None:
    """Up to what it is piped into."""
    variables = asyncio.run(placeholders(settings, line))
    with patch.dict(os.environ, {"ORCHESTRATOR_DATA_DIR": str(settings.data_dir), **variables}):
        cli.main(words_of(line), prog_name="orchestrator", standalone_mode=False, obj={})


def words_of(line: str) -> list[str]:
    """With what a reader fills in for variables and for words in capitals."""
    filled = re.sub(r"(?<= )(ID|TENANT)\b", r"$\1", line.partition(" | ")[0])
    return shlex.split(os.path.expandvars(filled), comments=True)[1:]


async def placeholders(settings: Settings, line: str) -> dict[str, str]:
    """What the names in this line stand for; what it decides, edits or rotates is there."""
    names = {"TENANT": A_TENANT, "ORCHESTRATOR_TENANT": A_TENANT, "ID": A_TENANT}
    async with open_store(settings) as store:
        if "$APPROVAL" in line:
            return names | {"APPROVAL": await _approval(store, is_asked_back=" answer " in line)}
        if "dead-letters" in line:
            letter = a_dead_letter(id=new_id())
            kept = await letters.keep(store, settings.rabbitmq.queue, letter)
            return names | {"ID": kept.record.id}
        if "webhooks" in line:
            return names | {"ID": (await store.create(A_TENANT, a_webhook())).record.id}
    return names


async def _approval(store: RecordStore, *, is_asked_back: bool) -> str:
    made = (
        an_approval_asked_back(requested_by="req")
        if is_asked_back
        else an_approval(execution_id=None)
    )
    return (await store.create(A_TENANT, made)).record.id
