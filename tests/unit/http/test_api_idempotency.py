"""Idempotency-Key: a repeated request is carried out once, and answered as it was
the first time.
"""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest
from litestar import Response, post
from litestar.params import JSONBody
from msgspec.structs import replace

from api.access.permissions import ROLE_OF
from api.idempotency import HOLD, KEPT_FOR, forget_old_answers, idempotent
from blocks.adapters.sqlite.record_store import SqliteRecordStore
from blocks.contracts.ids import SYSTEM_TENANT
from blocks.contracts.records import IdempotencyRecord
from blocks.ports import Query, RecordStore, Stored, Unavailable
from tests.support.api.api_client import Api, an_api
from tests.support.factories import A_TENANT, ANOTHER_TENANT, a_tenant_record, an_execution, now
from tests.support.stores import FailingStore, Meanwhile

PATH = "/api/v1/executions/{}/cancel"
SOLD = {"reason": "sold"}


@pytest.fixture
async def api(tmp_path: Path) -> AsyncIterator[Api]:
    async with an_api(tmp_path) as api:
        yield api


async def send(
    api: Api,
    path: str,
    body: object = None,
    *,
    key: str | bytes = "key-1",
    tenant_id: str = A_TENANT,
) -> httpx.Response:
    headers: dict[str, str | bytes] = {"X-Tenant-ID": tenant_id, "Idempotency-Key": key}
    return await api.client.post(path, json=body, headers=headers)  # type: ignore[arg-type] # httpx takes bytes, too


async def kept(api: Api) -> IdempotencyRecord:
    """The record of the only key that was used."""
    [only] = (await api.store.query(A_TENANT, Query(IdempotencyRecord))).items
    return only.record


async def put(api: Api, record: IdempotencyRecord) -> None:
    known = await api.store.read(A_TENANT, IdempotencyRecord, record.id)
    await api.store.replace(A_TENANT, known.etag, record)


def status_and_code(response: httpx.Response) -> tuple[int, str]:
    return response.status_code, response.json()["error"]["code"]


async def an_open_execution(api: Api) -> str:
    execution = an_execution()
    await api.holds(execution)
    return PATH.format(execution.id)


async def test_a_repeated_cancellation_is_answered_like_the_first(api: Api) -> None:
    path = await an_open_execution(api)

    first = await send(api, path, SOLD)
    again = await send(api, path, SOLD)

    assert (200, "cancelled") == (first.status_code, first.json()["status"])
    assert (first.status_code, first.content) == (again.status_code, again.content)
    assert first.headers["content-type"] == again.headers["content-type"]
    assert (None, "true") == (
        first.headers.get("idempotency-replayed"),
        again.headers.get("idempotency-replayed"),
    )
    assert first.headers["x-request-id"] != again.headers["x-request-id"]


async def test_without_a_key_a_repetition_is_a_request_of_its_own(api: Api) -> None:
    path = await an_open_execution(api)

    assert [200, 409] == [(await api.send("POST", path, SOLD)).status_code for _ in range(2)]


async def test_a_refusal_that_was_decided_is_repeated_too(api: Api) -> None:
    execution = an_execution(status="completed")
    await api.holds(execution)

    answers = [await send(api, PATH.format(execution.id), SOLD) for _ in range(2)]

    assert [(409, "EXECUTION_ENDED")] * 2 == [status_and_code(answer) for answer in answers]
    assert "true" == answers[1].headers["idempotency-replayed"]


async def test_another_body_under_the_same_key_is_refused(api: Api) -> None:
    path = await an_open_execution(api)
    await send(api, path, SOLD)

    refused = await send(api, path, {"reason": "lost"})

    assert (422, "IDEMPOTENCY_MISMATCH") == status_and_code(refused)


async def test_another_execution_under_the_same_key_is_refused(api: Api) -> None:
    await send(api, await an_open_execution(api), SOLD)

    refused = await send(api, await an_open_execution(api), SOLD)

    assert 422 == refused.status_code


async def test_another_user_of_the_tenant_does_not_get_the_first_ones_answer(api: Api) -> None:
    path = await an_open_execution(api)
    headers = {"X-Tenant-ID": A_TENANT, "Idempotency-Key": "key-1"}

    answers = [
        await api.client.post(path, json=SOLD, headers={**headers, "X-User-ID": user})
        for user in ("ann", "ben", "ann")
    ]

    assert [200, 422, 200] == [answer.status_code for answer in answers]


async def test_tenants_do_not_share_keys(api: Api) -> None:
    await send(api, await an_open_execution(api), SOLD)
    theirs = an_execution(tenant_id=ANOTHER_TENANT)
    await api.holds(theirs)

    answer = await send(api, PATH.format(theirs.id), SOLD, tenant_id=ANOTHER_TENANT)

    assert (200, theirs.id) == (answer.status_code, answer.json()["id"])


async def test_of_twenty_twins_at_once_one_runs(api: Api) -> None:
    path = await an_open_execution(api)

    answers = await asyncio.gather(*(send(api, path, SOLD) for _ in range(20)))

    done, in_progress = (
        [one for one in answers if one.status_code == status] for status in (200, 409)
    )
    assert 20 == len(done) + len(in_progress)
    assert 1 == len([one for one in done if "idempotency-replayed" not in one.headers])
    assert {(409, "IDEMPOTENCY_IN_PROGRESS")} >= {status_and_code(one) for one in in_progress}
    assert {"1"} >= {one.headers["retry-after"] for one in in_progress}
    assert {(await send(api, path, SOLD)).content} == {one.content for one in done}


@pytest.mark.parametrize("key", ["", "k" * 201, "tab\there", b"\xc3\xa4", b"\x7f"])
async def test_a_key_that_is_none_is_refused(api: Api, key: str | bytes) -> None:
    refused = await send(api, await an_open_execution(api), SOLD, key=key)

    assert 400 == refused.status_code
    assert {"field": "Idempotency-Key", "source": "header"}.items() <= refused.json()["error"][
        "details"
    ][0].items()


async def test_two_keys_are_refused(api: Api) -> None:
    path = await an_open_execution(api)
    headers = [("X-Tenant-ID", A_TENANT), ("Idempotency-Key", "a"), ("Idempotency-Key", "b")]

    assert 400 == (await api.client.post(path, json=SOLD, headers=headers)).status_code


@pytest.mark.parametrize("key", ["a", "k" * 200, "with spaces, and / ? # signs!"])
async def test_any_printable_key_will_do(api: Api, key: str) -> None:
    assert 200 == (await send(api, await an_open_execution(api), SOLD, key=key)).status_code


@pytest.mark.parametrize(("tenant_id", "status"), [("", 401), ("nobody", 400)])
async def test_whose_request_it_is_comes_first(api: Api, tenant_id: str, status: int) -> None:
    assert (
        status
        == (await send(api, await an_open_execution(api), SOLD, tenant_id=tenant_id)).status_code
    )


async def test_a_request_that_was_malformed_may_be_mended_under_its_key(api: Api) -> None:
    path = await an_open_execution(api)

    answers = [await send(api, path, body) for body in ({"reason": ""}, SOLD)]

    assert [400, 200] == [answer.status_code for answer in answers]


async def test_what_is_not_found_may_be_found_later(api: Api) -> None:
    execution = an_execution()
    path = PATH.format(execution.id)
    missing = await send(api, path, SOLD)
    await api.holds(execution)

    assert [404, 200] == [missing.status_code, (await send(api, path, SOLD)).status_code]


async def test_a_process_that_died_holds_its_key_for_a_minute(api: Api) -> None:
    path = await an_open_execution(api)
    await send(api, path, SOLD)
    held = replace(await kept(api), answer=None, held_until=now() + timedelta(seconds=60))
    await put(api, held)
    assert (409, "IDEMPOTENCY_IN_PROGRESS") == status_and_code(await send(api, path, SOLD))

    await put(api, replace(held, held_until=now()))

    assert 422 == (await send(api, path, {"reason": "lost"})).status_code
    assert (409, "EXECUTION_ENDED") == status_and_code(await send(api, path, SOLD))
    assert (await kept(api)).answer


async def test_an_answer_is_kept_for_a_day(api: Api) -> None:
    await api.holds(a_tenant_record())
    path = await an_open_execution(api)
    await send(api, path, SOLD)
    assert 0 == await forget_old_answers(api.store)

    await put(api, replace(await kept(api), created_at=now() - KEPT_FOR))

    assert 1 == await forget_old_answers(api.store)
    assert (409, "EXECUTION_ENDED") == status_and_code(await send(api, path, SOLD))


async def test_old_answers_of_the_platform_itself_are_forgotten(api: Api) -> None:
    old = IdempotencyRecord(
        id="old", tenant_id=SYSTEM_TENANT, created_at=now() - KEPT_FOR, digest=""
    )
    await api.holds(old)

    assert 1 == await forget_old_answers(api.store)


async def test_a_key_that_is_claimed_while_it_is_being_forgotten_stays_held(api: Api) -> None:
    free = IdempotencyRecord(
        id="free", tenant_id=SYSTEM_TENANT, created_at=now() - KEPT_FOR, digest=""
    )
    stored = await api.store.create(SYSTEM_TENANT, free)
    claimed = replace(free, created_at=now(), held_until=now() + HOLD)
    claim = partial(api.store.replace, SYSTEM_TENANT, stored.etag, claimed)

    assert 0 == await forget_old_answers(Meanwhile(api.store, "query", IdempotencyRecord, claim))

    assert claimed == (await api.store.read(SYSTEM_TENANT, IdempotencyRecord, "free")).record


# --- routes that answer in other ways -------------------------------------------------------------


class Sample:
    """A route that counts how often it runs, and fails the first time if set to."""

    def __init__(self, api: Api, store: RecordStore) -> None:
        self.runs = 0
        self.fails_with: Exception | None = None
        self.goes_on = asyncio.Event()
        self.goes_on.set()
        self.runs_now = asyncio.Event()

        @post("/sample")
        async def run(data: JSONBody[dict[str, Any]]) -> Response[object]:
            self.runs += 1
            self.runs_now.set()
            await self.goes_on.wait()
            if self.fails_with and self.runs == 1:
                raise self.fails_with
            headers = {"ETag": '"7"', "Location": "/somewhere", "X-Other": "once"}
            return Response({"runs": self.runs}, headers=headers)

        api.app.register(idempotent(store, run))


@pytest.fixture(autouse=True)
def sample_is_for_operators(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("api.access.permissions.ROLE_OF", {**ROLE_OF, "POST /sample": "operator"})


@pytest.fixture
def sample(api: Api) -> Sample:
    return Sample(api, api.store)


async def test_status_etag_and_location_come_again(api: Api, sample: Sample) -> None:
    first, again = [await send(api, "/sample", {}) for _ in range(2)]

    for header in ("etag", "location", "content-type", "content-length"):
        assert first.headers[header] == again.headers[header]
    assert (201, {"runs": 1}, '"7"') == (again.status_code, again.json(), again.headers["etag"])
    assert "x-other" not in again.headers


@pytest.mark.parametrize(
    ("error", "status"), [(Unavailable("away"), 503), (RuntimeError("bug"), 500)]
)
async def test_a_request_that_failed_may_be_tried_again(
    api: Api, sample: Sample, error: Exception, status: int
) -> None:
    sample.fails_with = error

    failed, done = [await send(api, "/sample", {}) for _ in range(2)]

    assert (status, 201, {"runs": 2}) == (failed.status_code, done.status_code, done.json())


async def test_while_the_first_runs_its_twin_gets_a_retry_after(api: Api, sample: Sample) -> None:
    sample.goes_on.clear()
    async with asyncio.TaskGroup() as group:
        first = group.create_task(send(api, "/sample", {}))
        await sample.runs_now.wait()
        assert (409, "IDEMPOTENCY_IN_PROGRESS") == status_and_code(await send(api, "/sample", {}))
        assert (422, "IDEMPOTENCY_MISMATCH") == status_and_code(
            await send(api, "/sample", {"other": 1})
        )
        sample.goes_on.set()

    assert {"runs": 1} == first.result().json() == (await send(api, "/sample", {})).json()


async def test_of_twenty_twins_after_a_crash_one_runs(api: Api, sample: Sample) -> None:
    await send(api, "/sample", {})
    dead = replace(await kept(api), answer=None, held_until=now())
    await put(api, dead)

    answers = await asyncio.gather(*(send(api, "/sample", {}) for _ in range(20)))

    assert 2 == sample.runs
    assert {201, 409} >= {answer.status_code for answer in answers}
    assert {"runs": 2} == (await send(api, "/sample", {})).json()


async def test_an_answer_that_cannot_be_kept_is_given_all_the_same(
    api: Api, tmp_path: Path
) -> None:
    async with ForgetfulStore(tmp_path / "forgetful.db") as store:
        Sample(api, store)

        done, again = [await send(api, "/sample", {}) for _ in range(2)]

    assert (201, {"runs": 1}) == (done.status_code, done.json())
    assert (409, "IDEMPOTENCY_IN_PROGRESS") == status_and_code(again)


async def test_without_the_store_nothing_runs(api: Api) -> None:
    sample = Sample(api, FailingStore(Unavailable("away")))

    assert (503, "DEPENDENCY_UNAVAILABLE") == status_and_code(await send(api, "/sample", {}))
    assert 0 == sample.runs


class ForgetfulStore(SqliteRecordStore):
    """Creates what it is asked to, and cannot replace it."""

    async def replace(self, *_: Any) -> Stored[Any]:
        raise Unavailable("the store has gone away")
