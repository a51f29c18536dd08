"""Claim recovery by real processes: phases triggered over HTTP, carried by Prefect, seen by the npm
Socket.IO client.
"""

from collections.abc import AsyncIterator
from io import BytesIO
from pathlib import Path
from uuid import uuid4
from zipfile import ZipFile

import pytest
from pypdf import PdfReader

from blocks.contracts.records import ExecutionRecord
from tests.support.api.credentials import a_token
from tests.support.factories import A_TENANT
from tests.support.journeys.system import JourneySystem, journey_system
from tests.support.servers.prefect_server import PrefectServer
from tests.support.system.ledger import ledger_of
from tests.support.system.orchestra import on_real_parts
from tests.support.system.socket_clients import SocketClient, a_socket_client

pytestmark = pytest.mark.long

PERCENT = [14, 29, 43, 57, 71, 86, 100]


@pytest.fixture(params=["embedded", "real"])
async def system(
    request: pytest.FixtureRequest, tmp_path: Path, prefect_server: PrefectServer
) -> AsyncIterator[JourneySystem]:
    """One claim is found for each user, and it is sure."""
    environment = on_real_parts(request, tmp_path.name) if request.param == "real" else {}
    async with journey_system(tmp_path, prefect_server, 1, **environment) as system:
        system.start()
        yield system


async def follows(client: SocketClient, user: str, sync: str) -> None:
    token = a_token("viewer", user=user)
    client.emit("authenticate", {"userId": user, "token": token})
    client.emit("subscribe_sync_progress", {"userId": user, "syncId": sync})
    assert {"success": True} == (await client.gets("authenticated"))[-1]


def percent_seen_by(client: SocketClient) -> list[int]:
    seen = [one["percent"] for one in client.of("sync_progress_update") if "stage" in one]
    return [percent for percent in seen if percent]


async def onboarded(system: JourneySystem, user: str, sync: str) -> ExecutionRecord:
    answer = await system.trigger(1, user_id=user, seller_id="s-1", sync_id=sync)
    assert answer.json()["success"] is True
    return await system.rests(user, sync, "waiting")


async def test_a_journey_from_phase_1_to_7_is_seen_live_and_ends_with_a_packet(
    system: JourneySystem,
) -> None:
    user, sync = str(uuid4()), str(uuid4())
    await system.trigger(1, user_id="someone-else", sync_id="other")  # the API is up
    async with (
        ledger_of(system.parts.bus, system.parts.name) as ledger,
        a_socket_client(system.parts.settings.server.port) as page,
    ):
        await follows(page, user, sync)
        journey = await onboarded(system, user, sync)
        [claim] = await system.claims(journey)
        await system.trigger(
            6, user_id=user, claim_id=claim.claim_id, rejection_reason="no proof", sync_id=sync
        )
        await system.rests(user, sync, "completed")
        await page.gets("workflow.phase.6.completed")
        await system.trigger(7, user_id=user, claim_id=claim.claim_id, amount=250.75)
        ended = await system.rests(user, sync, "completed")
        # It ended with the rejection, and again with the payout.
        await page.gets("workflow.phase.7.completed")
        await page.gets("sync_completed")
        await ledger.published("workflow.claim.recovery.completed", count=2)

        assert PERCENT == percent_seen_by(page)
        names = [one.name for one in page.received if one.name.startswith("workflow.phase.")]
        assert [f"workflow.phase.{number}.completed" for number in range(1, 8)] == names
        assert [] == ledger.invalid()
        # Nothing else was said twice.
        assert {(A_TENANT, journey.id, "workflow.claim.recovery.completed", "")} == set(
            ledger.second_ids()
        )
    assert {"phase": 7, "claims": 1, "paid": 1} == ended.results
    [charge] = await system.platform.charges(claim.claim_id)
    assert (25075, 5015) == (charge["amount_recovered_cents"], charge["fee_cents"])
    await packet_opens(system, claim.claim_id)


async def packet_opens(system: JourneySystem, claim_id: str) -> None:
    link = await system.client.get(f"/api/v1/evidence/proof-packets/{claim_id}")
    assert link.status_code == 200, link.text
    url = link.json()["data"]
    token = next(value for value in url.values() if "/links/" in str(value)).rpartition("/")[2]
    answer = await system.client.get(f"/api/v1/evidence/links/{token}")
    assert answer.status_code == 200, answer.text
    with ZipFile(BytesIO(answer.content)) as archive:
        [summary] = [name for name in archive.namelist() if name.endswith("summary.pdf")]
        assert any(name.endswith("metadata.json") for name in archive.namelist())
        text = "".join(page.extract_text() for page in PdfReader(archive.open(summary)).pages)
    assert "250.75" in text
