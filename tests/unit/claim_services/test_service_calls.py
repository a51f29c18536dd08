"""Calls of claim services over real HTTP: what fails is asked again, in bounds, and then named."""

import asyncio
import gzip
import logging
from collections.abc import AsyncIterator

import pytest

from blocks.claims.asking.answers import SubmissionResult
from blocks.claims.asking.calls import ANSWER_BYTES_MAX, AT_ONCE
from blocks.claims.asking.circuits import Circuits
from blocks.claims.services import ClaimServices, ServiceFailed
from blocks.processes.retries import Retries
from blocks.settings import Claims
from deployments.simulated.claims.faults import Fault, Kind
from tests.support.metrics import Gain
from tests.support.servers.canned_http import answer, canned_http
from tests.support.servers.claim_services import ClaimPlatform, claim_platform, settings_at
from tests.support.servers.ports import free_port
from tests.support.waiting import eventually

AT_ONCE_AGAIN = Retries(first_wait_seconds=0, jitter_seconds=0)


def services_of(
    settings: Claims, *, circuits: Circuits | None = None, retries: Retries = AT_ONCE_AGAIN
) -> ClaimServices:
    return ClaimServices(settings, retries=retries, circuits=circuits or Circuits())


async def submit(services: ClaimServices, user_id: str = "user-1") -> SubmissionResult:
    return await services.submit(user_id, "claim-1", "key-1")


async def failure_of(services: ClaimServices, user_id: str = "user-1") -> ServiceFailed:
    with pytest.raises(ServiceFailed) as caught:
        await submit(services, user_id)
    return caught.value


@pytest.fixture
async def platform() -> AsyncIterator[ClaimPlatform]:
    async with claim_platform() as platform:
        yield platform


# --- what is asked again --------------------------------------------------------------------------


@pytest.mark.parametrize(
    "fault",
    [
        Fault(kind="error", status=500, requests=2),
        Fault(kind="error", status=503, requests=2, retry_after="0"),
        Fault(kind="error", status=408, requests=2),
        Fault(kind="error", status=425, requests=2),
        Fault(kind="error", status=429, requests=2),
        Fault(kind="garbage", requests=2),
        Fault(kind="hang", requests=1),
    ],
    ids=lambda fault: f"{fault.kind}-{fault.status}",
)
async def test_what_fails_in_passing_is_done_by_a_further_request(
    platform: ClaimPlatform, fault: Fault
) -> None:
    # Long enough for the request that is answered, also on a busy machine.
    seconds = 1 if fault.kind == "hang" else 30
    await platform.fault(fault)
    async with services_of(settings_at(platform.url, call_seconds=seconds)) as services:
        done = await submit(services)

    assert done.amazon_case_id
    assert fault.requests
    assert fault.requests + 1 == (await platform.requests())["submission"]


@pytest.mark.parametrize(
    ("fault", "code", "reason", "requests"),
    [
        (Fault(kind="error"), "unavailable", "the submission service answered 500", 3),
        (
            Fault(kind="hang"),
            "unavailable",
            "the submission service did not answer within 0.1 s",
            3,
        ),
        (
            Fault(kind="garbage"),
            "bad-answer",
            "the submission service answered what cannot be used: it is no JSON object",
            3,
        ),
        (
            Fault(kind="huge"),
            "bad-answer",
            "the submission service answered what cannot be used: it has more than "
            f"{ANSWER_BYTES_MAX} bytes",
            1,
        ),
        (Fault(kind="error", status=429), "refused", "the submission service answered 429", 3),
        (
            Fault(kind="error", status=400),
            "refused",
            "the submission service answered 400: simulated failure",
            1,
        ),
        (Fault(kind="error", status=404), "refused", "the submission service answered 404: ", 1),
        (
            Fault(kind="declined"),
            "refused",
            "the submission service declined: simulated: nothing was done",
            1,
        ),
    ],
    ids=lambda value: value.kind if isinstance(value, Fault) else None,
)
async def test_what_stays_broken_fails_with_its_code_and_reason(
    platform: ClaimPlatform, fault: Fault, code: str, reason: str, requests: int
) -> None:
    seconds = 0.1 if fault.kind == "hang" else 30
    # Counted here: one that is given up so soon may not have reached a service on a busy machine
    retried = Gain("workflow_orchestrator_claim_service_retries_total", service="submission")
    await platform.fault(fault)
    async with services_of(settings_at(platform.url, call_seconds=seconds)) as services:
        failure = await failure_of(services)

    assert ("submission", code) == (failure.service, failure.code)
    assert str(failure).startswith(reason)
    assert requests == 1 + retried()


async def test_a_service_that_is_not_there_is_unavailable() -> None:
    async with services_of(settings_at(f"http://127.0.0.1:{free_port()}")) as services:
        failure = await failure_of(services)

    assert "unavailable" == failure.code
    assert "the submission service cannot be reached (ConnectError)" == failure.reason


async def test_every_request_of_a_call_has_the_same_key_and_body() -> None:
    refusal = answer(status="500 Internal Server Error")
    async with (
        canned_http(refusal, refusal, answer()) as (served, url),
        services_of(settings_at(url)) as services,
    ):
        await submit(services)

    assert ["key-1"] * 3 == [one.headers["idempotency-key"] for one in served.received]
    assert 1 == len({one.body for one in served.received})


async def test_an_answer_that_breaks_off_is_asked_for_again() -> None:
    broken_off = b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n{"
    async with (
        canned_http(broken_off, answer()) as (_, url),
        services_of(settings_at(url)) as services,
    ):
        assert SubmissionResult() == await submit(services)


@pytest.fixture
def waits(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The pauses of a second and more; none of them is made."""
    found: list[float] = []
    sleep = asyncio.sleep

    async def noted(seconds: float, *rest: object) -> None:
        if seconds >= 1:
            found.append(seconds)
        await sleep(0 if seconds >= 1 else seconds)

    monkeypatch.setattr(asyncio, "sleep", noted)
    return found


async def test_it_waits_two_seconds_then_four_and_up_to_a_second_more(
    platform: ClaimPlatform, waits: list[float]
) -> None:
    await platform.fault(Fault(kind="error"))
    async with services_of(platform.settings, retries=Retries()) as services:
        await failure_of(services)

    first, second = waits
    assert 2 <= first <= 3
    assert 4 <= second <= 5


async def test_it_waits_as_long_as_the_service_demands(
    platform: ClaimPlatform, waits: list[float]
) -> None:
    await platform.fault(Fault(kind="error", status=429, retry_after="17", requests=1))
    async with services_of(platform.settings, retries=Retries()) as services:
        await submit(services)

    assert [17] == waits


async def test_a_service_that_demands_too_long_a_delay_is_not_asked_again(
    platform: ClaimPlatform, waits: list[float]
) -> None:
    await platform.fault(Fault(kind="error", status=503, retry_after="3600"))
    async with services_of(platform.settings, retries=Retries()) as services:
        failure = await failure_of(services)

    assert ("unavailable", 3600) == (failure.code, failure.wait_seconds)
    assert ([], 1) == (waits, (await platform.requests())["submission"])


# --- what is not read -----------------------------------------------------------------------------


async def test_a_compressed_answer_is_not_unpacked() -> None:
    body = gzip.compress(b'{"amazon_case_id": "1"}')
    packed = answer(body, headers="content-encoding: gzip\r\n")
    async with canned_http(packed) as (served, url), services_of(settings_at(url)) as services:
        failure = await failure_of(services)

    assert "bad-answer" == failure.code
    assert "identity" == served.received[0].headers["accept-encoding"]


async def test_a_redirect_is_not_followed() -> None:
    async with canned_http() as (elsewhere, there):
        moved = answer(status="307 Temporary Redirect", headers=f"location: {there}/x\r\n")
        async with canned_http(moved) as (_, url), services_of(settings_at(url)) as services:
            failure = await failure_of(services)

    assert ("bad-answer", []) == (failure.code, elsewhere.received)


async def test_no_proxy_of_the_environment_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    async with canned_http() as (proxy, there), canned_http() as (served, url):
        for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
            monkeypatch.setenv(name, there)
        async with services_of(settings_at(url)) as services:
            await submit(services)

    assert (0, 1) == (len(proxy.received), len(served.received))


async def test_a_reason_is_one_line_without_secrets_and_queries() -> None:
    body = b'{"error": "no\\nGET http://db/x?code=abc failed: password=hunter2-hunter2 \\u202e"}'
    refusal = answer(body, status="422 Unprocessable Entity")
    async with canned_http(refusal) as (_, url), services_of(settings_at(url)) as services:
        failure = await failure_of(services)

    assert (
        "the submission service answered 422: no GET http://db/x failed: password=*** \\u202e"
    ) == failure.reason


# --- circuits -------------------------------------------------------------------------------------


async def test_a_service_that_fails_for_many_users_is_not_asked_for_a_while(
    platform: ClaimPlatform,
) -> None:
    circuits = Circuits(failures=3, open_seconds=0.2)
    await platform.fault(Fault(kind="error", service="submission"))
    async with services_of(platform.settings, circuits=circuits) as services:
        for number in range(3):
            assert "unavailable" == (await failure_of(services, f"user-{number}")).code
        assert "circuit-open" == (await failure_of(services)).code
        assert 9 == (await platform.requests())["submission"]
        await services.log_rejection("user-1", "claim-1", None, "no receipt", "key-2")

        await platform.repair()

        async def is_asked_again() -> bool:
            try:
                await submit(services)
            except ServiceFailed:
                return False
            return True

        await eventually(is_asked_again)


async def test_the_first_failure_after_the_while_ends_the_next_try_at_once(
    platform: ClaimPlatform,
) -> None:
    circuits = Circuits(failures=2, open_seconds=0.05)
    await platform.fault(Fault(kind="error"))
    async with services_of(platform.settings, circuits=circuits) as services:
        for number in range(2):
            await failure_of(services, f"user-{number}")

        async def was_asked_again() -> bool:
            return (await failure_of(services)).code == "unavailable"

        await eventually(was_asked_again)
        assert "circuit-open" == (await failure_of(services)).code


async def test_a_service_that_fails_for_one_user_goes_on_for_the_others(
    platform: ClaimPlatform,
) -> None:
    circuits = Circuits(failures=2)
    await platform.fault(Fault(kind="error", user_id="unlucky"))
    async with services_of(platform.settings, circuits=circuits) as services:
        codes = {(await failure_of(services, "unlucky")).code for _ in range(5)}
        await submit(services)

    assert {"unavailable"} == codes


async def test_where_nothing_listens_one_users_calls_suffice() -> None:
    circuits = Circuits(failures=2)
    settings = settings_at(f"http://127.0.0.1:{free_port()}")
    async with services_of(settings, circuits=circuits) as services:
        codes = [(await failure_of(services)).code for _ in range(3)]

    assert ["unavailable", "unavailable", "circuit-open"] == codes


@pytest.mark.parametrize("kind", ["error", "declined"])
async def test_a_service_that_refuses_is_not_broken(platform: ClaimPlatform, kind: Kind) -> None:
    await platform.fault(Fault(kind=kind, status=404))
    async with services_of(platform.settings, circuits=Circuits(failures=2)) as services:
        codes = {(await failure_of(services, f"user-{number}")).code for number in range(4)}

    assert {"refused"} == codes


async def test_a_cancelled_call_shows_nothing_about_the_service(platform: ClaimPlatform) -> None:
    await platform.fault(Fault(kind="hang", requests=3))
    async with services_of(platform.settings, circuits=Circuits(failures=1)) as services:
        calls = [asyncio.create_task(submit(services, f"user-{number}")) for number in range(3)]

        async def all_hang() -> bool:
            return (await platform.requests())["submission"] == 3

        await eventually(all_hang)
        for call in calls:
            call.cancel()
        await asyncio.gather(*calls, return_exceptions=True)

        assert (await submit(services)).amazon_case_id


async def test_what_one_flow_run_has_learned_counts_for_the_next() -> None:
    settings = settings_at(f"http://127.0.0.1:{free_port()}")
    codes = []
    for _ in range(6):
        async with ClaimServices(settings, retries=AT_ONCE_AGAIN) as services:
            codes.append((await failure_of(services)).code)

    assert [*["unavailable"] * 5, "circuit-open"] == codes


# --- many at once ---------------------------------------------------------------------------------


async def test_a_service_that_hangs_holds_up_no_other(platform: ClaimPlatform) -> None:
    await platform.fault(Fault(kind="hang", service="submission"))
    async with services_of(platform.settings) as services:
        calls = [asyncio.create_task(submit(services)) for _ in range(2 * AT_ONCE)]

        async def as_many_as_may() -> bool:
            return (await platform.requests())["submission"] == AT_ONCE

        await eventually(as_many_as_may)
        await services.log_rejection("user-1", "claim-1", None, "no receipt", "key-2")
        assert AT_ONCE == (await platform.requests())["submission"]
        for call in calls:
            call.cancel()
        await asyncio.gather(*calls, return_exceptions=True)


# --- what is seen of it ---------------------------------------------------------------------------


async def test_calls_and_retries_are_counted_and_timed(platform: ClaimPlatform) -> None:
    calls = "workflow_orchestrator_claim_service_calls_total"
    done = Gain(calls, service="submission", outcome="completed")
    refused = Gain(calls, service="submission", outcome="refused")
    retried = Gain("workflow_orchestrator_claim_service_retries_total", service="submission")
    timed = Gain(
        "workflow_orchestrator_claim_service_request_duration_seconds_count", service="submission"
    )
    await platform.fault(Fault(kind="error", requests=1))
    await platform.fault(Fault(kind="error", status=404, requests=1))
    async with services_of(platform.settings) as services:
        await failure_of(services)
        await submit(services)

    assert (1, 1, 1, 3) == (done(), refused(), retried(), timed())


async def test_each_failed_request_leaves_one_line_without_its_address(
    platform: ClaimPlatform, caplog: pytest.LogCaptureFixture
) -> None:
    await platform.fault(Fault(kind="error", requests=1))
    with caplog.at_level(logging.WARNING):
        async with services_of(platform.settings) as services:
            await submit(services)

    assert ["the submission service answered 500 (request 1 of at most 3)"] == caplog.messages
