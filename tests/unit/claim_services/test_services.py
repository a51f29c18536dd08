"""What the claim services are asked, and what is taken from their answers."""

from collections.abc import Awaitable, Callable
from typing import Any

import msgspec
import pytest

from blocks.claims.asking.answers import (
    DetectionResult,
    MatchingResult,
    SubmissionResult,
    SyncResult,
)
from blocks.claims.asking.charges import Charge
from blocks.claims.asking.circuits import Circuits
from blocks.claims.services import ClaimServices, ServiceFailed
from blocks.contracts.claims.findings import Claim, Match
from blocks.processes.retries import Retries
from tests.support.servers.canned_http import answer, canned_http
from tests.support.servers.claim_services import claim_platform, settings_at

A_CLAIM = Claim(
    claim_id="c-1",
    claim_type="lost_inventory",
    amount_cents=1250,
    currency="eur",
    confidence=0.7,
    details={"evidence": {"order_id": "1-2"}, "deadline_date": "2026-03-01"},
)

Ask = Callable[[ClaimServices], Awaitable[Any]]

SYNC: Ask = lambda services: services.sync("u", "s", "sync-1", "key")  # noqa: E731
DETECT: Ask = lambda services: services.detect("u", "s", "sync-1", "key")  # noqa: E731
MATCH: Ask = lambda services: services.match("u", [A_CLAIM], "key")  # noqa: E731
SUBMIT: Ask = lambda services: services.submit("u", "c-1", "key")  # noqa: E731
REJECT: Ask = lambda services: services.log_rejection("u", "c-1", "77", "late", "key")  # noqa: E731
CHARGE: Ask = lambda services: services.charge(  # noqa: E731
    user_id="u", claim_id="c-1", amount_cents=1250, fee_cents=250, currency="usd", key="key"
)


async def answered(ask: Ask, body: object) -> Any:
    """What is taken from this answer."""
    content = body if isinstance(body, bytes) else msgspec.json.encode(body)
    async with (
        canned_http(answer(content)) as (_, url),
        ClaimServices(
            settings_at(url), retries=Retries(attempts=1), circuits=Circuits()
        ) as services,
    ):
        return await ask(services)


# --- requests -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("ask", "path", "body"),
    [
        (
            SYNC,
            "/api/v1/amazon/sync",
            b'{"user_id":"u","seller_id":"s","sync_id":"sync-1"}',
        ),
        (
            DETECT,
            "/api/v1/detections/run",
            b'{"user_id":"u","seller_id":"s","sync_id":"sync-1","source_type":"sp_api",'
            b'"trigger_type":"sp_api_sync","is_sandbox":false}',
        ),
        (
            MATCH,
            "/api/internal/evidence/matching/run",
            b'{"user_id":"u","claims":[{"evidence":{"order_id":"1-2"},'
            b'"deadline_date":"2026-03-01","claim_id":"c-1","claim_type":"lost_inventory",'
            b'"amount":12.50,"currency":"eur","confidence":0.7,'
            b'"confidence_category":"medium","is_sandbox":false}]}',
        ),
        (SUBMIT, "/api/v1/disputes/submit", b'{"user_id":"u","claim_id":"c-1"}'),
        (
            REJECT,
            "/api/v1/claim-detector/rejections/log",
            b'{"user_id":"u","claim_id":"c-1","amazon_case_id":"77","rejection_reason":"late"}',
        ),
        (
            CHARGE,
            "/api/v1/stripe/charge-commission",
            b'{"userId":"u","claimId":"c-1","amountRecoveredCents":1250,"commissionCents":250,'
            b'"currency":"usd","idempotencyKey":"key"}',
        ),
    ],
    ids=["sync", "detection", "matching", "submission", "rejections", "payments"],
)
async def test_a_service_is_asked_as_the_platform_documents(
    ask: Ask, path: str, body: bytes
) -> None:
    async with (
        canned_http(answer(b'{"id": "ch_1"}')) as (served, url),
        ClaimServices(settings_at(f"{url}/"), circuits=Circuits()) as services,
    ):
        await ask(services)

    [request] = served.received
    assert (path, body) == (request.path, request.body)
    assert ("key", "application/json") == (
        request.headers["idempotency-key"],
        request.headers["content-type"],
    )


@pytest.mark.parametrize(
    ("token", "shown"), [("", None), ("of-the-platform", "Bearer of-the-platform")]
)
async def test_a_service_is_shown_the_credential_that_it_asks_for(
    token: str, shown: str | None
) -> None:
    async with canned_http() as (served, url):
        settings = settings_at(url, services_token=token)
        async with ClaimServices(settings, circuits=Circuits()) as services:
            await services.submit("u", "c-1", "key")

    assert [shown] == [request.headers.get("authorization") for request in served.received]
    assert not token or token not in repr(settings)


async def test_a_service_with_an_address_of_its_own_is_asked_there() -> None:
    async with canned_http() as (served, url):
        settings = settings_at("http://127.0.0.1:9", submission_url=f"{url}/own")
        async with ClaimServices(settings, circuits=Circuits()) as services:
            await services.submit("u", "c-1", "key")

    assert ["/own"] == [request.path for request in served.received]


async def test_a_sync_has_a_time_limit_of_its_own() -> None:
    async with claim_platform() as platform:
        settings = settings_at(platform.url, call_seconds=1e-9, sync_seconds=30)
        async with ClaimServices(
            settings, retries=Retries(attempts=1), circuits=Circuits()
        ) as services:
            assert (await SYNC(services)).orders_count > 0
            with pytest.raises(ServiceFailed, match="did not answer within"):
                await SUBMIT(services)


# --- answers --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("ask", "body", "taken"),
    [
        (
            SYNC,
            {"success": True, "data": {"orders_count": 7, "inventoryItems": 3}},
            SyncResult(orders_count=7, inventory_items=3),
        ),
        (SYNC, {"ordersCount": 7}, SyncResult(orders_count=7)),
        (SYNC, b"", SyncResult()),
        (DETECT, {"detection_job_queued": True}, DetectionResult(queued=True)),
        (DETECT, {"ok": True, "data": {"claims_found": 4}}, DetectionResult(queued=True)),
        (DETECT, b"", DetectionResult(queued=True)),
        (DETECT, {"data": {"claims": []}}, DetectionResult(queued=False, claims=[])),
        (
            DETECT,
            b'{"claims":[{"claim_id":"c-1","amount":12.50,"confidence":0.9,"evidence":{"s":0.5}}]}',
            DetectionResult(
                queued=False,
                claims=[
                    Claim(
                        claim_id="c-1",
                        amount_cents=1250,
                        confidence=0.9,
                        details={"evidence": {"s": 0.5}},
                    )
                ],
            ),
        ),
        (MATCH, {"ok": True, "data": {"matches": 3, "message": "3"}}, MatchingResult()),
        (MATCH, {"ok": True, "data": {}}, MatchingResult()),
        (MATCH, b"", MatchingResult()),
        (
            MATCH,
            {"ok": True, "data": {"matches": [{"claim_id": "c-1", "confidence": None}]}},
            MatchingResult(matches=[Match(claim_id="c-1", confidence=0)]),
        ),
        (
            MATCH,
            {"matchingResults": [{"claim_id": "c-1", "confidence": 0.85}]},
            MatchingResult(matches=[Match(claim_id="c-1", confidence=0.85)]),
        ),
        (SUBMIT, {"data": {"amazonCaseId": 77}}, SubmissionResult(amazon_case_id="77")),
        (SUBMIT, {"case_id": " 77 "}, SubmissionResult(amazon_case_id="77")),
        (SUBMIT, {"ok": True}, SubmissionResult()),
        (REJECT, b"", None),
        (CHARGE, {"data": {"chargeId": "ch_1", "feeCents": 250}}, Charge(id="ch_1", fee_cents=250)),
        (CHARGE, {"payment_intent_id": "pi_1"}, Charge(id="pi_1")),
        (CHARGE, b"", Charge()),
        (CHARGE, {"id": "ch_1", "fee_cents": 2.5}, Charge(id="ch_1", unreadable=("fee_cents",))),
    ],
)
async def test_an_answer_is_read_in_every_documented_shape(
    ask: Ask, body: object, taken: object
) -> None:
    assert taken == await answered(ask, body)


@pytest.mark.parametrize(
    ("ask", "body", "reason"),
    [
        (SYNC, b"[]", "no JSON object"),
        (SYNC, b"\xff\xfe", "no JSON object"),
        (SYNC, b"[" * 100_000, "no JSON object"),
        (DETECT, {"claims": [{"amount": 1}]}, "claim_id is required"),
        (DETECT, {"claims": [{"claim_id": "c", "amount": -1}]}, "greater than 0"),
        (DETECT, {"claims": [{"claim_id": "c", "currency": "jpy"}]}, "currency must be one of"),
        (DETECT, {"claims": {"c": 1}}, "neither a list nor a count"),
        (DETECT, {"claims": True}, "neither a list nor a count"),
        (MATCH, {"matches": [{"confidence": 1}]}, "claim_id is required"),
        (MATCH, {"matches": [{"claim_id": "c", "confidence": 1.1}]}, "from 0 to 1"),
        (MATCH, {"matches": [{"claim_id": "c"}] * 1_001}, "at most 1000"),
        (MATCH, {"matches": "three"}, "neither a list nor a count"),
        (SUBMIT, {"amazon_case_id": "7\n7"}, "an id is a text"),
        (CHARGE, b"<html>", "no JSON object"),
        (DETECT, b'{"claims": [{"claim_id": "c", "amount": NaN}]}', "amount must be a number"),
        (MATCH, b'{"matches":[{"claim_id":"c","confidence":-Infinity}]}', "from 0 to 1"),
    ],
)
async def test_an_answer_that_cannot_be_used_is_a_failure(
    ask: Ask, body: object, reason: str
) -> None:
    with pytest.raises(ServiceFailed, match=reason) as caught:
        await answered(ask, body)

    assert "bad-answer" == caught.value.code


@pytest.mark.parametrize("ask", [SYNC, DETECT, MATCH, SUBMIT, REJECT, CHARGE])
@pytest.mark.parametrize("name", ["ok", "success"])
async def test_a_good_status_with_a_body_that_denies_it_is_a_failure(ask: Ask, name: str) -> None:
    with pytest.raises(ServiceFailed, match="declined: no account") as caught:
        await answered(ask, {name: False, "error": "no account", "id": "ch_1"})

    assert "refused" == caught.value.code
