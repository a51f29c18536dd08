"""Every `curl` that the documentation shows is run as it stands, against a real server, and
answered as it says.
"""

import asyncio
import os
import re
from collections.abc import AsyncIterator, Callable, Mapping
from pathlib import Path

import msgspec
import pytest

from blocks.contracts.ids import SYSTEM_TENANT, claim_key
from blocks.contracts.records import Record
from blocks.contracts.records.dead_letters import DeadLetterRecord
from blocks.contracts.roles import ROLES
from tests.support.api.credentials import a_service_token
from tests.support.api.documented import Command, curl_commands
from tests.support.api.every_route import a_record
from tests.support.api.served_api import ServedApi, served_api
from tests.support.claims.records import A_USER, a_claim, a_journey
from tests.support.factories import (
    a_webhook,
    an_approval,
    an_approval_asked_back,
    an_execution,
    new_id,
    now,
)

TENANT = "7b7e5d1e-3d0c-4c57-9d5e-0d3f6d1f2a10"
"""The documentation's own."""

REFUSED = {"executions?limit=500": 400, '{"eventTypes": [1]}': 400}
"""What a page shows as an example of an error; everything else succeeds."""

ABOUT: Mapping[str, Callable[[], Record]] = {
    r"/executions/\S+/cancel": lambda: an_execution(tenant_id=TENANT),
    r"/(executions|workflows)/\S+/retry": lambda: an_execution(
        tenant_id=TENANT, status="failed", completed_at=now()
    ),
    r"/executions": lambda: an_execution(tenant_id=TENANT, status="completed"),
    r"/webhooks/\S+": lambda: a_webhook(tenant_id=TENANT),
    r"/approvals/\S+/answer": lambda: an_approval_asked_back(tenant_id=TENANT),
    r"/approvals/\S+": lambda: an_approval(tenant_id=TENANT, execution_id=None),
}
"""What a path is about, by the first pattern that fits."""

# What the shell knows, and a curl that prints the status on the side.
PRELUDE = """
set -euo pipefail
API=$URL TENANT="X-Tenant-ID: $TENANT_ID" AUTH="Authorization: Bearer $TOKEN" KEY=$SYSTEM_TOKEN
SYSTEM="X-Tenant-ID: $SYSTEM_ID" ID=$RECORD APPROVAL=$RECORD WEBHOOK=$RECORD
curl() { command curl -sS -w '%{stderr}status %{http_code}\\n' "$@"; }
"""

AN_EVENT = {
    "id": new_id(),
    "type": "integration.opportunity.updated",
    "data": {"opportunityId": "opportunity-1"},
}


@pytest.fixture(scope="module")
async def api(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[ServedApi]:
    async with served_api(tmp_path_factory.mktemp("documented")) as api:
        for _ in range(3):
            await keep(api, an_execution(tenant_id=TENANT, status="completed"))
        journey, claim_id = a_journey(tenant_id=TENANT), "claim-4711"
        await keep(api, journey)
        key = claim_key(TENANT, A_USER, claim_id)
        await keep(api, a_claim(journey, id=key, claim_id=claim_id))
        yield api


# Those of the operations' address are made in `test_operations_address.py`.
COMMANDS = [command for command in curl_commands() if "127.0.0.1:5003" not in command.text]


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command.name)
@pytest.mark.long
async def test_a_documented_request_is_answered_as_its_page_says(
    api: ServedApi, command: Command, tmp_path: Path
) -> None:
    record = await about(api, command.text)
    continuation = await first_continuation(api) if "$CONTINUATION" in command.text else ""

    statuses, output = await run(
        filled_in(command.text, record, api), tmp_path, api, record, continuation
    )

    expected = next((status for part, status in REFUSED.items() if part in command.text), None)
    assert (
        [expected] == statuses
        if expected
        else statuses and all(200 <= status < 300 for status in statuses)
    ), output


async def about(api: ServedApi, text: str) -> str:
    """The id of a record that the command may act on; none knows what happened to another's."""
    if "/dead-letters" in text:
        return (await a_record(api.store, DeadLetterRecord, TENANT)).id
    made = next((make for path, make in ABOUT.items() if re.search(path, text)), None)
    return await keep(api, made()) if made else ""


async def keep(api: ServedApi, record: Record) -> str:
    return (await api.store.create(record.tenant_id, record)).record.id


def filled_in(text: str, record: str, api: ServedApi) -> str:
    """The command with what a page leaves to the reader."""
    event = msgspec.json.encode({**AN_EVENT, "tenantId": TENANT}).decode()
    text = text.replace('{"event": {…}}', f'{{"event": {event}}}')
    # The metrics have a port of their own, which the tests' API leaves out.
    text = text.replace("http://127.0.0.1:3051", api.url).replace("http://127.0.0.1:3080", api.url)
    return re.sub(r"(/executions/)[0-9a-f-]{36}", rf"\g<1>{record}", text)


async def first_continuation(api: ServedApi) -> str:
    statuses, output = await run(
        'curl -H "$AUTH" -H "$TENANT" "$API/api/v1/executions?status=completed&limit=1"',
        Path(),
        api,
        "",
        "",
    )
    assert [200] == statuses
    return str(msgspec.json.decode(output)["continuation"])


async def run(
    text: str, folder: Path, api: ServedApi, record: str, continuation: str
) -> tuple[list[int], str]:
    """The statuses that the command was answered with, and what it printed."""
    token = a_service_token(*ROLES, "act-for-users", tenant_id=TENANT)
    (folder / ".orchestrator").mkdir(exist_ok=True)
    (folder / ".orchestrator" / "development-key").write_text(token)
    process = await asyncio.create_subprocess_exec(
        "bash",
        "-c",
        f"{PRELUDE}\n{text}",
        cwd=folder,
        env={
            **os.environ,
            "URL": api.url,
            "TENANT_ID": TENANT,
            "TOKEN": token,
            "SYSTEM_TOKEN": a_service_token(*ROLES, tenant_id=SYSTEM_TENANT),
            "SYSTEM_ID": SYSTEM_TENANT,
            "RECORD": record,
            "CONTINUATION": continuation,
        },
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    async with asyncio.timeout(30):
        output, errors = await process.communicate()
    return [
        int(status) for status in re.findall(r"^status (\d+)$", errors.decode(), re.MULTILINE)
    ], output.decode()
