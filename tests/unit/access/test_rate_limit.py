"""A tenant has so many requests a minute, an address so many wrong credentials; then both get
a Retry-After.
"""

from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from api.access.limits import windows
from api.access.limits.windows import WINDOW_SECONDS, Windows
from blocks.security import api_keys
from tests.support.api.api_client import Api, an_api
from tests.support.api.credentials import a_token, as_user
from tests.support.factories import A_TENANT, ANOTHER_TENANT

EXECUTIONS = "/api/v1/executions"
A_GUESS = f"wfo_{'0' * 12}_{'A' * 43}"


class Clock:
    """A clock that stands still until it is moved."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


async def a_key(api: Api) -> str:
    key, _ = await api_keys.create_key(
        api.store, A_TENANT, "billing", ("viewer",), lives=timedelta(hours=1)
    )
    return key


async def shows(api: Api, credential: str) -> httpx.Response:
    return await api.client.get(EXECUTIONS, headers=as_user(credential))


def error(response: httpx.Response) -> tuple[int, str]:
    return response.status_code, response.json()["error"]["message"]


# --- tenants --------------------------------------------------------------------------------------


async def test_a_tenant_that_has_made_its_requests_gets_a_retry_after(
    tmp_path: Path,
) -> None:
    async with an_api(tmp_path, REQUESTS_PER_MINUTE="2") as api:
        answers = [await api.get(EXECUTIONS) for _ in range(3)]

    assert [200, 200, 429] == [answer.status_code for answer in answers]
    refused = answers[2]
    assert {
        "error": {
            "code": "RATE_LIMITED",
            "message": "The tenant has made all requests it has in this minute",
        }
    } == refused.json()
    assert 1 <= int(refused.headers["retry-after"]) <= WINDOW_SECONDS


async def test_every_answer_says_how_many_requests_are_left(tmp_path: Path) -> None:
    async with an_api(tmp_path, REQUESTS_PER_MINUTE="2") as api:
        answers = [
            await api.get(path) for path in (EXECUTIONS, f"{EXECUTIONS}/unknown", EXECUTIONS)
        ]

    assert [("2", "1"), ("2", "0"), ("2", "0")] == [
        (answer.headers["ratelimit-limit"], answer.headers["ratelimit-remaining"])
        for answer in answers
    ]
    assert {"2; w=60"} == {answer.headers["ratelimit-policy"] for answer in answers}
    assert all(0 < int(answer.headers["ratelimit-reset"]) <= WINDOW_SECONDS for answer in answers)


async def test_all_routes_count_together(tmp_path: Path) -> None:
    async with an_api(tmp_path, REQUESTS_PER_MINUTE="2") as api:
        for path in (EXECUTIONS, "/api/v1/jobs"):
            assert 200 == (await api.get(path)).status_code

        assert 429 == (await api.get("/hitl/approvals")).status_code


async def test_what_one_tenant_asks_takes_nothing_from_another(tmp_path: Path) -> None:
    async with an_api(tmp_path, REQUESTS_PER_MINUTE="1") as api:
        await api.get(EXECUTIONS)

        assert 429 == (await api.get(EXECUTIONS)).status_code
        assert 200 == (await api.get(EXECUTIONS, ANOTHER_TENANT)).status_code


async def test_who_shows_no_credential_uses_nothing_of_a_tenants(tmp_path: Path) -> None:
    async with an_api(tmp_path, REQUESTS_PER_MINUTE="1") as api:
        for _ in range(3):
            assert 401 == (await shows(api, a_token("viewer", secret="x" * 40))).status_code

        assert 200 == (await shows(api, a_token("viewer"))).status_code


@pytest.mark.parametrize("path", ["/health", "/ready", "/metrics", "/docs"])
async def test_who_watches_the_system_is_not_limited(tmp_path: Path, path: str) -> None:
    async with an_api(tmp_path, REQUESTS_PER_MINUTE="1") as api:
        answers = [await api.client.get(path) for _ in range(3)]

    assert [200, 200, 200] == [answer.status_code for answer in answers]
    assert not any("ratelimit-limit" in answer.headers for answer in answers)


async def test_without_a_limit_nothing_is_counted(tmp_path: Path) -> None:
    async with an_api(tmp_path, REQUESTS_PER_MINUTE="0") as api:
        answer = await api.get(EXECUTIONS)

    assert (200, False) == (answer.status_code, "ratelimit-limit" in answer.headers)


# --- wrong credentials ----------------------------------------------------------------------------


@pytest.mark.parametrize("credential", [A_GUESS, "no.such.token"])
async def test_an_address_that_shows_too_many_wrong_credentials_has_to_wait(
    tmp_path: Path, credential: str
) -> None:
    async with an_api(tmp_path, AUTH_FAILURES_PER_MINUTE="2") as api:
        answers = [await shows(api, credential) for _ in range(3)]

    assert [401, 401, 429] == [answer.status_code for answer in answers]
    assert (429, "Too many credentials from this address were not valid") == error(answers[2])
    assert 1 <= int(answers[2].headers["retry-after"]) <= WINDOW_SECONDS


async def test_what_it_guesses_from_then_on_is_not_even_looked_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked_up: list[str] = []
    async with an_api(tmp_path, AUTH_FAILURES_PER_MINUTE="1") as api:
        read = api.store.read

        async def noted(tenant_id: str, kind: Any, id: str) -> Any:
            looked_up.append(id)
            return await read(tenant_id, kind, id)

        key = await a_key(api)
        monkeypatch.setattr(api.store, "read", noted)
        await shows(api, A_GUESS)
        looked_up.clear()

        assert 429 == (await shows(api, key)).status_code
    assert [] == looked_up


async def test_a_token_and_a_key_in_use_still_pass_from_that_address(tmp_path: Path) -> None:
    async with an_api(tmp_path, AUTH_FAILURES_PER_MINUTE="1") as api:
        key = await a_key(api)
        await shows(api, key)
        await shows(api, A_GUESS)

        assert 429 == (await shows(api, A_GUESS)).status_code
        assert 200 == (await shows(api, key)).status_code
        assert 200 == (await shows(api, a_token("viewer"))).status_code


# --- windows --------------------------------------------------------------------------------------


def test_a_window_begins_with_what_is_counted_first_and_ends_a_minute_later() -> None:
    clock = Clock()
    counts = Windows(clock)
    counts.count("a")
    clock.now += 59
    counts.count("a")
    assert (2, 1) == (counts.counted("a"), counts.seconds_left("a"))

    clock.now += 1

    assert 0 == counts.counted("a")
    assert 1 == counts.count("a")
    assert WINDOW_SECONDS == counts.seconds_left("a")


def test_no_more_windows_are_kept_than_may_be() -> None:
    counts = Windows(Clock(), keys_max=3)
    for key in "abcd":
        counts.count(key)

    assert [0, 1, 1, 1] == [counts.counted(key) for key in "abcd"]
    assert windows.KEYS_MAX <= 100_000
