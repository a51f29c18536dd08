"""POST /api/v1/workflow/phase/{n}: paths, order of checks and texts of the platform's contract."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from blocks.contracts import ids
from blocks.contracts.records import ExecutionRecord
from blocks.contracts.records.claims import PhaseRecord
from blocks.ports import Query, Throttled, Unavailable
from tests.support.api.api_client import Api, an_api
from tests.support.api.credentials import a_token, as_user
from tests.support.factories import A_TENANT, ANOTHER_TENANT
from tests.support.stores import FailingStore

TEXT_OF_6 = "claim_id and rejection_reason are required for Phase 6"
TEXT_OF_7 = "claim_id and amount are required for Phase 7"
USER = {"user_id": "u"}
OF_CLAIM = {**USER, "claim_id": "c"}
OF_SYNC = {**USER, "sync_id": "s"}


@pytest.fixture(scope="module")
async def api(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Api]:
    async with an_api(tmp_path_factory.mktemp("phases"), REQUESTS_PER_MINUTE="0") as api:
        yield api


async def trigger(api: Api, phase: object, body: Any, tenant_id: str = A_TENANT) -> httpx.Response:
    return await api.send("POST", f"/api/v1/workflow/phase/{phase}", body, tenant_id)


async def send(api: Api, content: bytes, phase: int = 1, **headers: str) -> httpx.Response:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    path = f"/api/v1/workflow/phase/{phase}"
    return await api.client.post(path, content=content, headers={"X-Tenant-ID": A_TENANT, **named})


async def the_phase(
    api: Api, number: int, user: str, sync_id: str, claim_id: str = ""
) -> PhaseRecord:
    owner = (
        ids.claim_key(A_TENANT, user, claim_id)
        if claim_id
        else ids.journey_id(A_TENANT, user, sync_id)
    )
    id = ids.phase_record_id(owner, number)
    return (await api.store.read(A_TENANT, PhaseRecord, id)).record


# --- texts ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("phase", "body", "text"),
    [
        ("0", {}, "Invalid phase number: 0. Must be 1-7."),
        ("8", USER, "Invalid phase number: 8. Must be 1-7."),
        ("99", USER, "Invalid phase number: 99. Must be 1-7."),
        ("-1", USER, "Invalid phase number: -1. Must be 1-7."),
        ("abc", USER, "Invalid phase number: abc. Must be 1-7."),
        ("abc3", USER, "Invalid phase number: abc3. Must be 1-7."),
        ("七", USER, "Invalid phase number: 七. Must be 1-7."),
        ("٣", USER, "Invalid phase number: ٣. Must be 1-7."),
        ("9" * 30, USER, f"Invalid phase number: {'9' * 30}. Must be 1-7."),
        ("1", {}, "user_id is required"),
        ("1", {"user_id": ""}, "user_id is required"),
        ("1", {"user_id": None}, "user_id is required"),
        ("2", {}, "user_id is required"),
        ("2", USER, "sync_id is required for Phase 2"),
        ("3", USER, "sync_id is required for Phase 3"),
        ("3abc", USER, "sync_id is required for Phase 3"),
        ("4", USER, "sync_id is required for Phase 4"),
        ("4", {**USER, "sync_id": ""}, "sync_id is required for Phase 4"),
        ("5", USER, "claim_id is required for Phase 5"),
        ("5", {"claim_id": "c"}, "user_id is required"),
        ("6", USER, TEXT_OF_6),
        ("6", OF_CLAIM, TEXT_OF_6),
        ("6", {**OF_CLAIM, "reason": "the alias does not satisfy it"}, TEXT_OF_6),
        ("7", OF_CLAIM, TEXT_OF_7),
        ("7", {**USER, "amount": 5}, TEXT_OF_7),
        ("7", {**OF_CLAIM, "amount": 0}, TEXT_OF_7),
        ("7", {**OF_CLAIM, "amount": None}, TEXT_OF_7),
        ("7", {**OF_CLAIM, "amount": -5}, "amount must be greater than 0"),
        ("7", {**OF_CLAIM, "amount": "a lot"}, "amount must be a number"),
        ("7", {**OF_CLAIM, "amount": "NaN"}, "amount must be a number"),
        ("7", {**OF_CLAIM, "amount": True}, "amount must be a number"),
        ("7", {**OF_CLAIM, "amount": 19.999}, "amount must have at most two decimals"),
        (
            "7",
            {**OF_CLAIM, "amount": 5, "currency": "xyz"},
            "currency must be one of usd, eur, gbp, cad",
        ),
        ("3", {**OF_SYNC, "claims": {}}, "claims must be a list of objects"),
        (
            "4",
            {**OF_SYNC, "matches": [{"confidence": 1}]},
            "matches[0]: claim_id is required, a text of at most 200 characters",
        ),
        (
            "4",
            {**OF_SYNC, "matches": [{"claim_id": "c", "confidence": 1.01}]},
            "matches[0]: confidence must be a number from 0 to 1",
        ),
    ],
)
async def test_what_is_missing_is_answered_to_the_letter(
    api: Api, phase: str, body: Any, text: str
) -> None:
    answer = await trigger(api, phase, body)

    assert (400, {"success": False, "error": text}) == (answer.status_code, answer.json())


@pytest.mark.parametrize(
    ("phase", "number", "body"),
    [
        ("1", 1, USER),
        ("1", 1, {**OF_SYNC, "seller_id": "seller"}),
        ("2", 2, OF_SYNC),
        ("2", 2, {**OF_SYNC, "orders_count": 12, "inventory_items": 7.0, "unknown": [1.5]}),
        ("3abc", 3, {**OF_SYNC, "claims_found": [{"claim_id": "c", "amount": 19.99}]}),
        ("%203", 3, OF_SYNC),
        ("4.9", 4, {**OF_SYNC, "matching_results": [{"claim_id": "c", "confidence": None}]}),
        ("5", 5, OF_CLAIM),
        ("6", 6, {**OF_CLAIM, "rejection_reason": "no proof", "case_id": "A-1"}),
        ("7", 7, {**OF_CLAIM, "claim_id": 77, "amount": "19.99", "currency": "EUR"}),
    ],
)
async def test_a_good_trigger_is_answered_with_the_documented_body(
    api: Api, phase: str, number: int, body: Any
) -> None:
    answer = await trigger(api, phase, body)

    message = f"Phase {number} orchestration triggered"
    assert 200 == answer.status_code
    assert {"success": True, "phase": number, "message": message} == answer.json()


# --- bodies ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("content", [b"", b"  \n", b"null", b"[]", b'"text"', b"{}"])
async def test_a_body_without_a_user_is_the_documented_400(api: Api, content: bytes) -> None:
    answer = await send(api, content)

    assert (400, "user_id is required") == (answer.status_code, answer.json()["error"])


@pytest.mark.parametrize(
    "content",
    [
        b"{",
        b'{"user_id":"u",}',
        b'{"user_id":"\xff"}',
        b'{"user_id":"\\ud800"}',
        b'{"user_id":"u","orders_count":1e999999999}',
        b'{"user_id":"u","user_id":"v"}',
        b'{"user_id":' + b"[" * 5_000,
    ],
)
async def test_a_body_that_is_no_json_is_a_400_with_its_reason(api: Api, content: bytes) -> None:
    answer = await send(api, content)

    assert (400, False) == (answer.status_code, answer.json()["success"])
    assert answer.json()["error"].startswith("The body must")


async def test_other_formats_and_too_much_have_the_status_of_every_route(api: Api) -> None:
    foreign = await send(api, b"user_id=u", Content_Type="application/x-www-form-urlencoded")
    large = await send(api, b'{"user_id":"' + b"u" * 300_000)

    assert [415, 413] == [foreign.status_code, large.status_code]
    assert {"success", "error"} == foreign.json().keys() == large.json().keys()


@pytest.mark.parametrize("kind", [None, "application/json", "application/json; charset=UTF-8"])
async def test_any_json_and_none_are_taken(api: Api, kind: str | None) -> None:
    headers: dict[str, Any] = {"Content_Type": kind} if kind else {}
    answer = await send(api, b'{"user_id":"u"}', **headers)

    assert 200 == answer.status_code


@pytest.mark.parametrize(
    ("written", "cents"),
    [("19.99", 1999), ("0.29", 29), ("1e2", 10_000), ("450359962737.01", 45_035_996_273_701)],
)
async def test_an_amount_is_what_the_caller_wrote_to_the_cent(
    api: Api, written: str, cents: int
) -> None:
    claim = f"exact-{written}"
    body = f'{{"user_id":"u","claim_id":"{claim}","amount":{written}}}'

    assert 200 == (await send(api, body.encode(), 7)).status_code

    assert cents == (await the_phase(api, 7, "u", "", claim)).trigger.amount_cents


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4)
    ),
    max_leaves=12,
)
FIELDS = st.sampled_from(
    [
        *("user_id", "sync_id", "seller_id", "claim_id", "amount", "currency", "case_id"),
        *("claims", "claims_found", "matches", "matching_results", "orders_count"),
        *("inventory_items", "rejection_reason", "amazon_case_id"),
    ]
)
FINDINGS = st.lists(
    st.dictionaries(
        st.sampled_from(["claim_id", "amount", "confidence", "currency", "evidence"]), JSON
    ),
    max_size=3,
)


@settings(max_examples=50, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    phase=st.integers(1, 7),
    body=st.dictionaries(FIELDS, JSON | FINDINGS),
    complete=st.booleans(),
)
async def test_no_body_is_answered_with_a_5xx(
    api: Api, phase: int, body: dict[str, Any], complete: bool
) -> None:
    filled = {**body, **OF_SYNC, "claim_id": "h"} if complete else body

    answer = await trigger(api, phase, msgspec.json.decode(msgspec.json.encode(filled)))

    assert answer.status_code in (200, 400)
    assert answer.json()["success"] is (200 == answer.status_code)


# --- repeated, concurrent, foreign ----------------------------------------------------------------


async def test_fifty_at_once_are_one_request_of_one_journey(tmp_path: Path) -> None:
    async with an_api(tmp_path) as api:
        body = {**OF_SYNC, "orders_count": 3}
        answers = await asyncio.gather(*(trigger(api, 2, body) for _ in range(50)))

        assert {200} == {answer.status_code for answer in answers}
        [phase] = (await api.store.query(A_TENANT, Query(PhaseRecord))).items
        [journey] = (await api.store.query(A_TENANT, Query(ExecutionRecord))).items
        assert (1, "requested") == (phase.record.round, phase.record.status)
        assert ("pending", phase.record.execution_id) == (journey.record.status, journey.record.id)


async def test_a_trigger_is_durable_when_it_is_answered_and_states_who_sent_it(api: Api) -> None:
    headers = as_user(a_token("operator", user="ann"))

    await api.client.post(
        "/api/v1/workflow/phase/2", json={**OF_SYNC, "user_id": "who"}, headers=headers
    )

    assert "api:ann" == (await the_phase(api, 2, "who", "s")).triggered_by


async def test_another_tenant_has_journeys_of_its_own(api: Api) -> None:
    body = {"user_id": "shared", "sync_id": "shared"}
    await trigger(api, 2, body)

    assert 404 == (await api.get("/api/v1/claims/shared", ANOTHER_TENANT)).status_code
    await trigger(api, 2, body, ANOTHER_TENANT)
    own, other = [
        (await api.get("/api/v1/claims/shared", tenant)).json()["executionId"]
        for tenant in (A_TENANT, ANOTHER_TENANT)
    ]
    assert own != other


async def test_a_repetition_under_an_idempotency_key_has_the_first_answer(api: Api) -> None:
    headers: dict[str, Any] = {"Idempotency_Key": "one"}
    first, second = [await send(api, b'{"user_id":"k"}', 1, **headers) for _ in range(2)]
    other = await send(api, b'{"user_id":"other"}', 1, **headers)

    assert (first.json(), "true") == (second.json(), second.headers["idempotency-replayed"])
    assert (422, False) == (other.status_code, other.json()["success"])


# --- parts that are away --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("failing", "status", "retry_after"),
    [
        (Unavailable("away"), 503, "5"),
        (Throttled("busy", 2.0), 429, "2"),
        (OSError("x"), 500, None),
    ],
)
async def test_a_store_that_is_away_is_answered_in_the_same_form(
    tmp_path: Path, failing: Exception, status: int, retry_after: str | None
) -> None:
    async with an_api(tmp_path, store=FailingStore(failing)) as api:
        answer = await trigger(api, 2, OF_SYNC)

    assert (status, retry_after) == (answer.status_code, answer.headers.get("retry-after"))
    assert {"success": False, "error": answer.json()["error"]} == answer.json()
