"""The simulated claim services answer as the platform's do, charge once, and fail when they are
set to.
"""

import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Mapping
from pathlib import Path

import httpx
import pytest

from blocks.claims.asking.circuits import Circuits
from blocks.claims.asking.failed import Service
from blocks.claims.services import ROUTES, ClaimServices, ServiceFailed
from blocks.contracts.claims.findings import Claim, route_of
from blocks.processes.retries import Retries
from blocks.settings import load_settings
from deployments.local.simulated_claims import simulated_claims
from deployments.simulated.claims.faults import Fault
from tests.support.servers.claim_services import ClaimPlatform, claim_platform

ROOT = Path(__file__).parents[3]
A_CHARGE = {"userId": "u", "claimId": "c-1", "amountRecoveredCents": 1002, "currency": "usd"}


@pytest.fixture
async def platform() -> AsyncIterator[ClaimPlatform]:
    async with claim_platform() as platform:
        yield platform


@pytest.fixture
async def services(platform: ClaimPlatform) -> AsyncIterator[ClaimServices]:
    retries = Retries(first_wait_seconds=0, jitter_seconds=0)
    async with ClaimServices(platform.settings, retries=retries, circuits=Circuits()) as services:
        yield services


async def claims_of(services: ClaimServices, user_id: str) -> list[Claim]:
    claims = (await services.detect(user_id, user_id, "sync-1", "detect")).claims
    assert claims
    return claims


async def charge(
    platform: ClaimPlatform, key: str | None, changed: Mapping[str, object] | None = None
) -> httpx.Response:
    headers = {} if key is None else {"Idempotency-Key": key}
    body = {**A_CHARGE, **(changed or {})}
    return await platform.client.post(ROUTES["payments"][1], json=body, headers=headers)


# --- what is found --------------------------------------------------------------------------------


async def test_a_user_has_claims_on_every_route(services: ClaimServices) -> None:
    claims = await claims_of(services, "user-1")
    matches = (await services.match("user-1", claims, "match")).matches

    assert matches
    assert [claim.claim_id for claim in claims] == [match.claim_id for match in matches]
    assert {"auto_submit", "smart_prompt", "manual_review"} == {
        route_of(match.confidence, auto=0.85, prompt=0.5) for match in matches
    }
    assert all(claim.amount_cents for claim in claims)


async def test_the_same_question_has_the_same_answer(services: ClaimServices) -> None:
    assert await claims_of(services, "user-1") == await claims_of(services, "user-1")
    assert await services.sync("u", "s", "sync-1", "1") == await services.sync("u", "s", "x", "2")
    first, again = [await services.submit("u", "c-1", key) for key in ("1", "2")]
    assert first == again


async def test_two_users_have_claims_of_their_own(services: ClaimServices) -> None:
    one, other = [await claims_of(services, user) for user in ("user-1", "user-2")]

    assert not {claim.claim_id for claim in one} & {claim.claim_id for claim in other}


async def test_a_service_that_goes_on_by_itself_only_counts(
    platform: ClaimPlatform, services: ClaimServices
) -> None:
    await platform.fault(Fault(kind="later"))

    detected = await services.detect("u", "s", "sync-1", "key")
    matched = await services.match("u", [Claim(claim_id="c-1")], "key")

    assert (True, None, None) == (detected.queued, detected.claims, matched.matches)


@pytest.mark.parametrize("service", ROUTES)
async def test_a_request_without_a_user_is_refused(
    platform: ClaimPlatform, service: Service
) -> None:
    body = {**A_CHARGE, "userId": "", "claims": [], "claim_id": "c-1", "sync_id": "s"}
    refusal = await platform.client.post(
        ROUTES[service][1], json=body, headers={"Idempotency-Key": "key"}
    )

    assert (400, False) == (refusal.status_code, refusal.json()["success"])


# --- money ----------------------------------------------------------------------------------------


async def test_a_charge_is_made_once_for_its_key(platform: ClaimPlatform) -> None:
    answers = [(await charge(platform, "key-1")).json() for _ in range(3)]

    [made] = await platform.charges("c-1")
    assert [answers[0]] * 3 == answers
    assert (1002, 200, "key-1") == (
        made["amount_recovered_cents"],
        made["fee_cents"],
        made["idempotency_key"],
    )


@pytest.mark.parametrize(
    ("stated", "cents", "fee"),
    [(123, 1002, 123), (1002, 1002, 1002), (None, 1002, 200), (None, 100, 50), (None, 20, 20)],
)
async def test_a_charge_is_what_is_stated_or_a_fifth_of_the_amount(
    platform: ClaimPlatform, stated: int | None, cents: int, fee: int
) -> None:
    body = {"commissionCents": stated, "amountRecoveredCents": cents, "currency": "USD"}
    answer = (await charge(platform, "key-1", body)).json()["data"]

    [made] = await platform.charges("c-1")
    assert fee == made["fee_cents"] == answer["feeCents"]
    assert ("usd", cents, "u", "c-1") == (
        answer["currency"],
        answer["amountRecoveredCents"],
        answer["userId"],
        answer["claimId"],
    )


@pytest.mark.parametrize("cents", [0, -1, 1003, 1.5, "100", True])
async def test_a_commission_that_is_none_is_refused(platform: ClaimPlatform, cents: object) -> None:
    refusal = await charge(platform, "key-1", {"commissionCents": cents})

    assert (400, []) == (refusal.status_code, await platform.charges("c-1"))


async def test_two_keys_for_one_claim_are_two_charges(platform: ClaimPlatform) -> None:
    for key in ("key-1", "key-2"):
        await charge(platform, key)

    assert 2 == len(await platform.charges("c-1"))
    assert [] == await platform.charges("c-2")


async def test_another_body_under_the_same_key_is_refused(platform: ClaimPlatform) -> None:
    await charge(platform, "key-1")

    assert 409 == (await charge(platform, "key-1", {"amountRecoveredCents": 1})).status_code


async def test_a_charge_without_a_key_is_refused(platform: ClaimPlatform) -> None:
    assert 400 == (await charge(platform, None)).status_code
    assert [] == await platform.charges("c-1")


@pytest.mark.parametrize("cents", [0, -1, 1.5, "100", True, None])
async def test_a_charge_of_no_amount_is_refused(platform: ClaimPlatform, cents: object) -> None:
    refusal = await charge(platform, "key-1", {"amountRecoveredCents": cents})

    assert (400, []) == (refusal.status_code, await platform.charges("c-1"))


async def test_a_charge_whose_answer_was_lost_is_not_made_again(
    platform: ClaimPlatform, services: ClaimServices
) -> None:
    await platform.fault(Fault(kind="error", service="payments", requests=2, after_work=True))

    done = await services.charge(
        user_id="u", claim_id="c-1", amount_cents=1002, fee_cents=200, currency="usd", key="key-1"
    )

    assert [done.id] == [made["id"] for made in await platform.charges("c-1")]
    assert (200, 3) == (done.fee_cents, (await platform.requests("u"))["payments"])


# --- faults ---------------------------------------------------------------------------------------


async def test_a_fault_strikes_its_service_and_user_only(
    platform: ClaimPlatform, services: ClaimServices
) -> None:
    await platform.fault(Fault(kind="error", status=404, service="submission", user_id="user-1"))

    await services.submit("user-2", "c-1", "key")
    await services.log_rejection("user-1", "c-1", None, "late", "key")
    with pytest.raises(ServiceFailed):
        await services.submit("user-1", "c-1", "key")

    await platform.repair()
    await services.submit("user-1", "c-1", "key")


async def test_a_fault_that_is_none_is_refused(platform: ClaimPlatform) -> None:
    refusal = await platform.client.post("/simulated/faults", json={"kind": "sulk"})

    assert 400 == refusal.status_code


# --- the local stack ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("environment", "names"),
    [
        ({}, {"INTEGRATIONS_URL", "PYTHON_API_URL", "SIMULATED_CLAIMS_PORT"}),
        ({"INTEGRATIONS_URL": "http://h:1"}, {"PYTHON_API_URL", "SIMULATED_CLAIMS_PORT"}),
        ({"PYTHON_API_URL": "http://h:1"}, {"INTEGRATIONS_URL", "SIMULATED_CLAIMS_PORT"}),
        # the first is the default, written out
        ({"INTEGRATIONS_URL": "http://localhost:3001", "PYTHON_API_URL": "http://h:1"}, None),
    ],
)
def test_they_stand_in_for_services_whose_address_is_not_set(
    environment: dict[str, str], names: set[str] | None
) -> None:
    found = simulated_claims(load_settings(environment), environment)

    assert names == (set(found.environment) if found else None)


def test_two_stacks_on_one_machine_have_a_port_each() -> None:
    first = simulated_claims(load_settings({}), {})
    assert first
    with socket.create_server(("127.0.0.1", int(first.environment["SIMULATED_CLAIMS_PORT"]))):
        second = simulated_claims(load_settings({}), {})

    assert second
    assert first.url != second.url


@pytest.mark.long
def test_they_run_alone_until_they_are_stopped() -> None:
    command = (sys.executable, "-m", "deployments.simulated.claims", "--port", "0")
    with subprocess.Popen(
        (*command, "--claims", "2"), cwd=ROOT, stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            assert process.stdout
            url = process.stdout.readline().rpartition(" ")[2].strip()
            body = {"user_id": "u", "sync_id": "s"}
            found = httpx.post(f"{url}{ROUTES['detection'][1]}", json=body).json()
            assert 2 == len(found["data"]["claims"])
        finally:
            process.terminate()
