"""GET /api/v1/claims, /{syncId}, /{syncId}/audit, POST /{syncId}/retry and /cancel."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from blocks.claims import claims, journeys, rounds
from blocks.contracts import ids
from blocks.contracts.claims.findings import Claim
from blocks.contracts.records import ExecutionRecord
from blocks.contracts.records.claims import FeeRecord, PacketRecord, PhaseRecord
from blocks.ports import EventBus, Stored
from blocks.services import open_bus
from blocks.settings import load_settings
from tests.support.api.api_client import Api, an_api
from tests.support.api.journeys import a_journey
from tests.support.factories import A_TENANT, ANOTHER_TENANT, an_approval, an_execution, now

CLAIMS = "/api/v1/claims"
JOURNEY = ids.journey_id(A_TENANT, "u", "s")
CLAIM = ids.claim_key(A_TENANT, "u", "c")


@pytest.fixture
async def api(tmp_path: Path) -> AsyncIterator[Api]:
    async with an_api(tmp_path) as api:
        yield api


@pytest.fixture
async def bus(api: Api) -> AsyncIterator[EventBus]:
    settings = load_settings({"ORCHESTRATOR_DATA_DIR": api.folder})
    async with open_bus(settings, "test") as bus:
        yield bus


async def trigger(api: Api, phase: int, body: dict[str, Any]) -> None:
    sent = {"user_id": "u", **body}
    assert 200 == (await api.send("POST", f"/api/v1/workflow/phase/{phase}", sent)).status_code


async def phase_of(api: Api, owner: str, number: int) -> Stored[PhaseRecord]:
    return await api.store.read(A_TENANT, PhaseRecord, ids.phase_record_id(owner, number))


async def carry_out(api: Api, bus: EventBus, owner: str, number: int) -> None:
    begun = await rounds.begin(
        api.store, bus, await phase_of(api, owner, number), previous=None, retry=0
    )
    await rounds.complete(api.store, bus, begun, {"done": number}, f"Phase {number}", previous=None)


# --- the list -------------------------------------------------------------------------------------


async def test_only_journeys_are_listed_newest_first_by_user_and_status(api: Api) -> None:
    await api.holds(an_execution())
    for user, sync in (("u", "first"), ("u", "second"), ("v", "third")):
        await trigger(api, 2, {"user_id": user, "sync_id": sync})
    await a_journey(api.store, status="failed")

    async def listed(**filters: str) -> list[str]:
        answer = (await api.get(CLAIMS, **filters)).json()["items"]
        return [one["syncId"] for one in answer]

    assert ["third", "second", "first"] == (await listed(status="pending"))
    assert ["second", "first"] == await listed(userId="u")
    assert 1 == len(await listed(status="failed"))
    assert [] == (await api.get(CLAIMS, ANOTHER_TENANT)).json()["items"]


async def test_the_list_is_paged(api: Api) -> None:
    for number in range(3):
        await trigger(api, 2, {"sync_id": f"sync-{number}"})

    first = (await api.get(CLAIMS, limit=2)).json()
    second = (await api.get(CLAIMS, limit=2, continuation=first["continuation"])).json()
    foreign = await api.get(CLAIMS, userId="v", continuation=first["continuation"])

    pages = [[one["syncId"] for one in page["items"]] for page in (first, second)]
    assert [["sync-2", "sync-1"], ["sync-0"]] == pages
    assert ("continuation" in second, foreign.status_code) == (False, 400)


# --- one journey ----------------------------------------------------------------------------------


async def test_a_journey_is_shown_with_everything_that_belongs_to_it(
    api: Api, bus: EventBus
) -> None:
    await trigger(api, 2, {"sync_id": "s", "orders_count": 5})
    await carry_out(api, bus, JOURNEY, 2)
    journey = (await journeys.read_journey(api.store, A_TENANT, "s", "u")).record
    approval = an_approval(execution_id=JOURNEY)
    await claims.name_claim(api.store, bus, journey, Claim(claim_id="c", amount_cents=1999))
    await claims.move_on(api.store, A_TENANT, CLAIM, "prompted", approval_id=approval.id)
    of_claim: dict[str, Any] = {
        "claim_key": CLAIM,
        "claim_id": "c",
        "user_id": "u",
        "execution_id": JOURNEY,
    }
    await api.holds(
        approval,
        FeeRecord(
            id=ids.fee_id(CLAIM),
            tenant_id=A_TENANT,
            created_at=now(),
            amount_cents=1999,
            currency="eur",
            fee_percent="20",
            fee_cents=400,
            payout_cents=1599,
            idempotency_key="key",
            status="mismatched",
            mismatch="the fee is not stated",
            mismatched_at=now(),
            **of_claim,
        ),
        PacketRecord(id=ids.packet_id(CLAIM), tenant_id=A_TENANT, created_at=now(), **of_claim),
    )

    shown = (await api.get(f"{CLAIMS}/s")).json()

    assert (JOURNEY, "u", "s", "pending") == tuple(
        shown[name] for name in ("executionId", "userId", "syncId", "status")
    )
    [phase], [claim], [fee], [packet], [prompt] = (
        shown[name] for name in ("phases", "claims", "money", "documents", "prompts")
    )
    assert (2, "completed", 1, {"done": 2}) == (
        phase["phase"],
        phase["status"],
        phase["round"],
        phase["result"],
    )
    assert phase["durationMs"] >= 0
    assert ("c", "prompted", 1999) == (claim["claimId"], claim["status"], claim["amountCents"])
    assert (400, 1599, "eur", "mismatched", "the fee is not stated") == tuple(
        fee[name] for name in ("feeCents", "payoutCents", "currency", "status", "mismatch")
    )
    assert fee["mismatchedAt"]
    assert (ids.packet_id(CLAIM), "pending") == (packet["packetId"], packet["status"])
    assert (approval.id, "c") == (prompt["approvalId"], prompt["claimId"])
    assert ["started", "completed"] == [line["mark"] for line in shown["timeline"]]


async def test_a_sync_id_of_two_users_is_distinguished_by_the_user(api: Api) -> None:
    for user in ("u", "v"):
        await trigger(api, 2, {"user_id": user, "sync_id": "s"})

    newest, own = [
        (await api.get(f"{CLAIMS}/s", **query)).json()["userId"] for query in ({}, {"userId": "u"})
    ]

    assert ("v", "u") == (newest, own)
    assert 404 == (await api.get(f"{CLAIMS}/s", userId="w")).status_code


@pytest.mark.parametrize("rest", ["", "/audit"])
async def test_an_unknown_journey_is_not_found(api: Api, rest: str) -> None:
    answer = await api.get(f"{CLAIMS}/unknown{rest}")

    assert (404, "CLAIM_JOURNEY_NOT_FOUND") == (answer.status_code, answer.json()["error"]["code"])


# --- its log --------------------------------------------------------------------------------------


async def test_the_log_is_paged_in_both_orders(api: Api, bus: EventBus) -> None:
    for number in (2, 3):
        await trigger(api, number, {"sync_id": "s"})
        await carry_out(api, bus, JOURNEY, number)

    async def lines(**query: Any) -> list[tuple[int, str]]:
        page = (await api.get(f"{CLAIMS}/s/audit", limit=3, **query)).json()
        found = [(line["phase"], line["mark"]) for line in page["items"]]
        if "continuation" in page:
            found += await lines(**{**query, "continuation": page["continuation"]})
        return found

    expected = [(2, "started"), (2, "completed"), (3, "started"), (3, "completed")]
    assert expected == await lines()
    assert expected[::-1] == await lines(order="newest")
    first = (await api.get(f"{CLAIMS}/s/audit", limit=3)).json()["continuation"]
    wrong = await api.get(f"{CLAIMS}/s/audit", order="newest", continuation=first)
    assert 400 == wrong.status_code


async def test_the_log_of_a_claim_goes_with_it_to_the_journey_that_names_it(
    api: Api, bus: EventBus
) -> None:
    await trigger(api, 5, {"claim_id": "c"})
    await carry_out(api, bus, CLAIM, 5)
    await trigger(api, 3, {"sync_id": "s"})
    journey = (await journeys.read_journey(api.store, A_TENANT, "s", "u")).record
    await claims.name_claim(api.store, bus, journey, Claim(claim_id="c"))

    log = (await api.get(f"{CLAIMS}/s/audit")).json()["items"]
    shown = (await api.get(f"{CLAIMS}/s")).json()

    assert [(5, "started"), (5, "completed")] == [(one["phase"], one["mark"]) for one in log]
    assert [3, 5] == [one["phase"] for one in shown["phases"]]


# --- retry and cancel -----------------------------------------------------------------------------


async def test_a_cancelled_journey_ignores_triggers_until_it_is_retried(api: Api) -> None:
    await trigger(api, 2, {"sync_id": "s"})

    cancelled = await api.send("POST", f"{CLAIMS}/s/cancel", {"reason": "a mistake"})
    await trigger(api, 3, {"sync_id": "s"})
    assert ["ignored"] == [
        line["mark"] for line in (await api.get(f"{CLAIMS}/s/audit")).json()["items"]
    ]
    retried = await api.send("POST", f"{CLAIMS}/s/retry?userId=u")
    await trigger(api, 3, {"sync_id": "s"})

    assert ("cancelled", "a mistake") == (cancelled.json()["status"], cancelled.json()["error"])
    assert ("pending", 1) == (retried.json()["status"], retried.json()["retries"])
    assert "requested" == (await phase_of(api, JOURNEY, 3)).record.status


async def test_what_has_ended_is_not_cancelled_and_what_is_open_not_retried(api: Api) -> None:
    done, open_one = await a_journey(api.store, status="completed"), await a_journey(api.store)

    cancelled = await api.send("POST", f"{CLAIMS}/{done.sync_id}/cancel", {})
    retried = await api.send("POST", f"{CLAIMS}/{open_one.sync_id}/retry")

    assert [409, 409] == [cancelled.status_code, retried.status_code]
    journey = await api.store.read(A_TENANT, ExecutionRecord, open_one.execution_id)
    assert "pending" == journey.record.status
