"""What is refused fills neither the audit log nor the keys; what is changed is
always written down.
"""

from datetime import timedelta
from pathlib import Path

import pytest

from api.idempotency import FREE_KEPT_FOR, forget_old_answers
from blocks.audit.refusals import OF_A_TENANT, OF_ONE, Room
from blocks.clock import utc_now
from blocks.contracts.records import IdempotencyRecord, KeptAnswer
from blocks.contracts.records.audit import Act, AuditEntry
from blocks.queries import every
from blocks.tenants.directory import enter_in_directory
from tests.support.api.api_client import Api, an_api
from tests.support.api.credentials import a_token, as_user
from tests.support.factories import A_TENANT, ANOTHER_TENANT

WEBHOOKS = "/api/v1/webhooks"


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def an_act(actor: str) -> Act:
    return Act(action="webhook.add", actor=actor, credential="user-token", channel="api")


async def entries(api: Api, tenant_id: str = A_TENANT) -> list[AuditEntry]:
    return [stored.record async for stored in every(api.store, tenant_id, AuditEntry)]


async def test_who_is_refused_a_hundred_times_a_minute_leaves_ten_entries(tmp_path: Path) -> None:
    async with an_api(tmp_path) as api:
        for _ in range(100):
            answer = await api.client.post(
                WEBHOOKS,
                json={"url": "https://a.example"},
                headers=as_user(a_token("viewer", user="mallory")),
            )
            assert 403 == answer.status_code

        assert [("mallory", "refused")] * OF_ONE == [
            (one.actor, one.result) for one in await entries(api)
        ]


async def test_what_is_changed_is_written_down_however_much_was_refused(tmp_path: Path) -> None:
    async with an_api(tmp_path) as api:
        for _ in range(2 * OF_ONE):
            await api.client.post(WEBHOOKS, json={}, headers=as_user(a_token("viewer", user="ann")))
        made = await api.client.post(
            WEBHOOKS,
            json={"url": "https://hooks.example.com/x"},
            headers=as_user(a_token("admin", user="ann")),
        )

        assert 201 == made.status_code, made.text
        assert "done" == (await entries(api))[-1].result


def test_a_tenant_has_so_much_room_and_others_have_theirs() -> None:
    room = Room()

    taken = [room.take(A_TENANT, an_act(f"user-{number}")) for number in range(10 * OF_A_TENANT)]

    assert OF_A_TENANT == sum(taken)
    assert room.take(ANOTHER_TENANT, an_act("ann"))


def test_one_who_tries_much_hides_no_one_else() -> None:
    room = Room()
    for _ in range(1_000):
        room.take(A_TENANT, an_act("mallory"))

    assert room.take(A_TENANT, an_act("eve"))


def test_a_minute_later_there_is_room_again() -> None:
    clock = Clock()
    room = Room(clock)
    for _ in range(1_000):
        room.take(A_TENANT, an_act("mallory"))

    clock.now = 60.0

    assert room.take(A_TENANT, an_act("mallory"))


@pytest.mark.parametrize(("answered", "age", "kept"), [
    (False, FREE_KEPT_FOR, False), (False, FREE_KEPT_FOR / 2, True), (True, FREE_KEPT_FOR, True),
    (True, timedelta(hours=25), False),
])  # fmt: skip
async def test_of_a_request_that_was_refused_no_key_is_kept_for_long(
    tmp_path: Path, answered: bool, age: timedelta, kept: bool
) -> None:
    async with an_api(tmp_path) as api:
        answer = KeptAnswer(status=201, headers={}, body="{}") if answered else None
        key = IdempotencyRecord(
            id="k",
            tenant_id=A_TENANT,
            created_at=utc_now() - age - timedelta(seconds=1),
            digest="d",
            answer=answer,
        )
        await enter_in_directory(api.store, A_TENANT)
        await api.holds(key)

        await forget_old_answers(api.store)

        assert int(kept) == await api.store.count(A_TENANT, IdempotencyRecord)
