"""Commands in the blocks of the pages are run here as they are written, against real processes.

Those of the runbooks have a test of their own (`test_runbooks.py`), and so have `curl` lines; which
commands exist at all is `tests/unit/project/test_documented_commands.py`.
"""

import asyncio
import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from blocks.approvals.lifecycle import open_approval
from blocks.dead_letters import letters
from tests.acceptance.operation.test_runbooks import run
from tests.support.factories import A_TENANT, a_dead_letter, a_webhook, an_approval, new_id
from tests.support.factories import an_approval_asked_back as asked_back
from tests.support.servers.prefect_server import PrefectServer
from tests.support.system.orchestra import Orchestra, whole_orchestra
from tests.unit.project.test_documented_commands import PAGES

pytestmark = pytest.mark.long

_LINE = re.compile(r"^ {4,}(?:\$ )?(orchestrator [^\n]*)$", re.M)

NOT_RUN = {
    "is a process, or starts some": r"(up|api|listener|worker|demo)\b",
    "needs a database: run with the runbooks": r"ops backup (now|verify|restore)",
    "opens an editor": r"dead-letters edit ID +#",
    "reads a file that the page shows": r"(definitions set|dead-letters edit ID --file)",
    "names a key of its example": r"keys revoke",
    "asks the name server of the customer": r"webhooks add",
    "is of the cut-over, which has a test of its own": r"migrate --apply",
}
"""Commands that this test leaves out, and why."""


def runnable() -> list[tuple[str, str]]:
    """Page and line of each command, once."""
    lines: dict[str, str] = {}
    for page in PAGES:
        if {"runbooks", "reference"}.isdisjoint(page.parts):
            for line in _LINE.findall(page.read_text()):
                if not any(
                    re.search(f"orchestrator {left_out}", line) for left_out in NOT_RUN.values()
                ):
                    lines.setdefault(line, page.stem)
    return [(page, line) for line, page in lines.items()]


@pytest.fixture
async def parts(tmp_path: Path, prefect_server: PrefectServer) -> AsyncIterator[Orchestra]:
    """The embedded system; its API runs, so that `doctor` finds a reconciler."""
    async with whole_orchestra(tmp_path, prefect_server, HITL_APPROVALS_ENABLED="true") as parts:
        for process in (parts.api, parts.listener, parts.worker):
            process.start()
        yield parts


async def test_every_command_that_can_run_does(parts: Orchestra) -> None:
    commands = runnable()
    assert len(commands) > 35

    failed = []
    for page, line in commands:
        variables = await placeholders(parts, line)
        environment = {**parts.environment, **variables}
        done = await asyncio.to_thread(run, filled_in(line, variables), environment)
        # The doctor's own code for warnings is 1.
        if done.returncode > ("doctor" in line):
            failed.append(f"{page}: {line}\n{done.stdout[-500:]}{done.stderr[-500:]}")

    assert [] == failed, "\n".join(failed)


def filled_in(line: str, variables: dict[str, str]) -> str:
    """With the words in capitals that a reader replaces."""
    return re.sub(r"(?<= )(ID|TENANT)\b", lambda name: variables[name[0]], line)


async def placeholders(parts: Orchestra, line: str) -> dict[str, str]:
    """What the names in this line stand for; what it decides, edits or rotates is there."""
    variables = {"TENANT": A_TENANT, "ORCHESTRATOR_TENANT": A_TENANT, "ID": A_TENANT}
    if "$APPROVAL" in line:
        made = (
            asked_back(requested_by="req") if " answer " in line else an_approval(execution_id=None)
        )
        variables["APPROVAL"] = (await open_approval(parts.store, made)).record.id
    elif "dead-letters" in line:
        letter = a_dead_letter(id=new_id())
        kept = await letters.keep(parts.store, parts.settings.rabbitmq.queue, letter)
        variables["ID"] = kept.record.id
    elif "webhooks" in line:
        variables["ID"] = (await parts.store.create(A_TENANT, a_webhook())).record.id
    return variables
