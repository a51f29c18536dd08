"""The claims demo and `orchestrator claims`: what they print, and how they fail."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from click.testing import CliRunner

from blocks.contracts import ids
from blocks.contracts.claims.phases import PhaseNumber
from blocks.contracts.records.claims import PhaseLogEntry, PhaseMark, PhaseRecord
from blocks.ports import NotFound, RecordStore
from blocks.services import open_store
from blocks.settings import load_settings
from deployments.cli.app import cli
from deployments.cli.demo.claims_api import ClaimsApi
from deployments.cli.demo.claims_lines import line_of, money
from deployments.cli.demo.claims_watch import Watch
from deployments.cli.demo.failed import DemoFailed
from deployments.cli.views.claims import print_journey, print_log
from tests.support.api.api_client import Api, an_api
from tests.support.api.journeys import a_phase
from tests.support.claims.records import A_USER
from tests.support.claims.records import a_journey as a_journey_record
from tests.support.factories import A_TENANT, now
from tests.support.payouts.packets import a_fee
from tests.support.payouts.payments import a_claim

RESULTS: dict[int, dict[str, Any]] = {
    1: {"seller_id": "seller-1"},
    2: {"orders_count": 120, "inventory_items": 7},
    3: {"claims_found": 4, "high_confidence": 2},
    4: {"matches": 4, "auto_submits": 2, "smart_prompts": 1, "manual_review": 1},
    5: {"claim_id": "clm-1", "amazon_case_id": None},
    6: {"claim_id": "clm-1", "rejection_reason": "no proof"},
    7: {
        "claim_id": "clm-1",
        "amount_recovered": 1234.56,
        "platform_fee": 246.91,
        "seller_payout": 987.65,
        "currency": "usd",
    },
}


def an_entry(phase: PhaseRecord, mark: PhaseMark, **changes: Any) -> PhaseLogEntry:
    return PhaseLogEntry(
        **{
            "id": ids.phase_log_id(phase.id, phase.round, mark),
            "tenant_id": phase.tenant_id,
            "created_at": now(),
            "execution_id": phase.execution_id,
            "user_id": phase.user_id,
            "sync_id": phase.sync_id,
            "phase": phase.phase,
            "round": phase.round,
            "mark": mark,
            **changes,
        }
    )


async def a_journey(store: RecordStore) -> PhaseRecord:
    """The journey whose phase 2 this is, requested and not begun."""
    journey = await store.create(A_TENANT, a_journey_record())
    phase = a_phase(
        user_id=A_USER,
        sync_id=str(journey.record.input["syncId"]),
        execution_id=journey.record.id,
    )
    return (await store.create(A_TENANT, phase)).record


async def ended(
    store: RecordStore, journey: PhaseRecord, number: PhaseNumber, mark: PhaseMark, **changes: Any
) -> None:
    """A phase of the journey has ended so, and that is on its log."""
    of = {
        "sync_id": journey.sync_id,
        "execution_id": journey.execution_id,
        "user_id": journey.user_id,
    }
    phase = a_phase(number=number, status=mark, announced_at=now(), **of, **changes)
    await store.create(phase.tenant_id, phase)
    entry = an_entry(phase, mark, duration_ms=1_500, **changes)
    await store.create(phase.tenant_id, entry)


@asynccontextmanager
async def a_demo_of(api: Api, sync_id: str) -> AsyncIterator[ClaimsApi]:
    transport = httpx.ASGITransport(api.app)  # type: ignore[arg-type]  # Litestar is stricter
    async with httpx.AsyncClient(
        transport=transport,
        base_url="http://api.test/api/v1",
        headers={"X-Tenant-ID": A_TENANT},
        auth=api.client.auth,
    ) as client:
        yield ClaimsApi(client, A_USER, sync_id)


@pytest.mark.parametrize("number", RESULTS)
def test_the_line_of_every_phase_shows_what_came_out(number: int) -> None:
    entry = {
        "phase": number,
        "mark": "completed",
        "durationMs": 1_500,
        "result": RESULTS[number],
    }

    line = line_of(entry)

    assert f"Phase {number}: " in line
    assert "1.5 s" in line
    assert any(str(value) in line.replace(",", "") for value in RESULTS[number].values())


def test_money_is_shown_to_the_cent() -> None:
    assert ("1,234.05 EUR", "") == (money(123_405, "eur"), money(None, "usd"))


async def test_every_line_of_the_log_is_printed_once_with_the_furthest_percent(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    async with an_api(tmp_path) as api:
        journey = await a_journey(api.store)
        for number in (3, 1):
            await ended(api.store, journey, number, "completed", result=RESULTS[number])
        async with a_demo_of(api, journey.sync_id) as demo:
            watch = Watch(demo, 5)
            await watch.until(lambda _: True, "anything")
            await watch.until(lambda _: True, "anything")

    printed = capsys.readouterr().out
    assert (1, 1) == (printed.count("Phase 3:"), printed.count("Phase 1:"))
    assert "100 %" not in printed
    assert printed.count("43 %") >= 1


async def test_a_phase_that_failed_ends_the_demo_with_its_reason(tmp_path: Path) -> None:
    async with an_api(tmp_path) as api:
        journey = await a_journey(api.store)
        await ended(api.store, journey, 3, "failed", error="matching: 500", error_code="x")
        async with a_demo_of(api, journey.sync_id) as demo:
            with pytest.raises(DemoFailed, match=r"Phase 3: .* failed: matching: 500"):
                await Watch(demo, 5).until(lambda _: False, "phase 4")


async def test_when_nothing_happens_the_demo_names_what_is_open(tmp_path: Path) -> None:
    async with an_api(tmp_path) as api:
        journey = await a_journey(api.store)
        async with a_demo_of(api, journey.sync_id) as demo:
            with pytest.raises(DemoFailed, match=r"Phase 2: .* is requested.*orchestrator doctor"):
                await Watch(demo, 0).until(lambda _: False, "phase 4")


async def test_a_refusal_of_the_api_is_one_line(tmp_path: Path) -> None:
    async with an_api(tmp_path) as api, a_demo_of(api, "no-such-sync") as demo:
        with pytest.raises(DemoFailed, match="the API answered GET /claims/no-such-sync with 404"):
            await demo.journey()


def test_an_option_before_the_name_of_the_demo_is_refused() -> None:
    run = CliRunner().invoke(cli, ["demo", "--timeout", "5", "claims"], obj={})

    assert 0 != run.exit_code
    assert "options of this demo follow its name" in f"{run.output}{run.exception}"


async def test_a_journey_and_its_log_are_shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("ORCHESTRATOR_DATA_DIR", str(tmp_path))
    async with open_store(load_settings()) as store:
        journey = await a_journey(store)
        await ended(store, journey, 3, "failed", error="matching: 500", error_code="x")

    await print_journey(A_TENANT, journey.sync_id, None, as_json=False)
    await print_log(A_TENANT, journey.sync_id, None, as_json=False)

    printed = capsys.readouterr().out
    for shown in (journey.execution_id, A_USER, "Phase 2: ", "requested", "matching: 500"):
        assert shown in printed


async def test_a_fee_that_differs_is_shown_with_what_differs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("ORCHESTRATOR_DATA_DIR", str(tmp_path))
    monkeypatch.setenv("COLUMNS", "300")
    async with open_store(load_settings()) as store:
        journey = await a_journey(store)
        claim = a_claim(user_id=A_USER, execution_id=journey.execution_id)
        await store.create(A_TENANT, claim)
        wrong = "the fee is 20.11, not 20.10"
        await store.create(A_TENANT, a_fee(claim, status="mismatched", mismatch=wrong))

    await print_journey(A_TENANT, journey.sync_id, None, as_json=False)

    assert f"mismatched: {wrong}" in " ".join(capsys.readouterr().out.split())


async def test_a_journey_that_is_not_there_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ORCHESTRATOR_DATA_DIR", str(tmp_path))

    with pytest.raises(NotFound, match="has no journey sync-9 of user ann"):
        await print_journey(A_TENANT, "sync-9", "ann", as_json=False)
