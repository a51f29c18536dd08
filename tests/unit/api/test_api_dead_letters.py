"""/api/v1/dead-letters: each tenant acts on its own, the platform on those without a tenant."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
import pytest

from blocks.contracts.ids import SYSTEM_TENANT
from blocks.contracts.records.dead_letters import DeadLetterRecord
from blocks.dead_letters import letters
from blocks.ports import EventBus
from blocks.services import open_bus
from blocks.settings import load_settings
from blocks.topology import intake_queue, topology
from tests.support.api.api_client import Api, an_api
from tests.support.factories import A_TENANT, ANOTHER_TENANT, a_dead_letter, new_id, now

LETTERS = "/api/v1/dead-letters"
SETTINGS = load_settings({})
QUEUE = intake_queue(SETTINGS).name
AN_EVENT = {
    "id": "e-1",
    "type": "integration.opportunity.updated",
    "tenantId": A_TENANT,
    "data": {"opportunityId": "o-1"},
}


@pytest.fixture
async def api(tmp_path: Path) -> AsyncIterator[Api]:
    async with an_api(tmp_path) as api:
        yield api


@pytest.fixture
async def bus(api: Api, tmp_path: Path) -> AsyncIterator[EventBus]:
    async with open_bus(load_settings({"ORCHESTRATOR_DATA_DIR": str(tmp_path)}), "test") as bus:
        await bus.declare(*topology(SETTINGS))
        yield bus


async def kept(api: Api, queue: str = QUEUE, **changes: Any) -> DeadLetterRecord:
    return (await letters.keep(api.store, queue, a_dead_letter(**changes))).record


async def act(
    api: Api, method: str, path: str, body: object = None, tenant_id: str = A_TENANT, **headers: str
) -> httpx.Response:
    named = {
        "X-Tenant-ID": tenant_id,
        "X-User-ID": "ann",
        **{name.replace("_", "-"): headers[name] for name in headers},
    }
    return await api.client.request(method, f"{LETTERS}{path}", json=body, headers=named)


async def test_a_tenant_lists_its_own_letters_newest_first_without_their_bodies(api: Api) -> None:
    old, young = [await kept(api, rejected_at=now() - timedelta(minutes=age)) for age in (2, 1)]
    await kept(api, body=b'{"tenantId": "%s"}' % ANOTHER_TENANT.encode())

    page = (await api.get(LETTERS)).json()

    assert [young.id, old.id] == [letter["id"] for letter in page["items"]]
    assert "body" not in page["items"][0]
    assert "continuation" not in page


async def test_pages_of_a_filtered_list_lose_and_repeat_nothing(api: Api) -> None:
    wanted = {(await kept(api, code="poison")).id for _ in range(5)}
    await kept(api)
    seen: list[str] = []
    more: dict[str, str] = {}
    while True:
        page = (await api.get(LETTERS, code="poison", limit=2, **more)).json()
        seen += [letter["id"] for letter in page["items"]]
        if "continuation" not in page:
            break
        more = {"continuation": page["continuation"]}

    assert (5, wanted) == (len(seen), set(seen))


async def test_a_list_is_filtered_by_type_queue_status_and_age(api: Api) -> None:
    old = await kept(api, rejected_at=now() - timedelta(hours=2))
    await kept(api, "another-queue")

    async def found(**wanted: str) -> list[str]:
        return [letter["id"] for letter in (await api.get(LETTERS, **wanted)).json()["items"]]

    an_hour_ago = (now() - timedelta(hours=1)).isoformat()
    assert [old.id] == await found(createdBefore=an_hour_ago)
    assert [old.id] == await found(queue=QUEUE, type="order.placed", status="waiting")
    assert [] == await found(status="discarded")


async def test_a_letter_is_shown_with_its_body_and_history(api: Api) -> None:
    letter = await kept(api, code="poison", reason="ValueError: boom", attempts=5)

    response = await api.get(f"{LETTERS}/{letter.id}")

    shown = response.json()
    assert ("poison", "ValueError: boom", 5, 1) == (
        shown["code"],
        shown["reason"],
        shown["attempts"],
        shown["times"],
    )
    assert ("utf-8", A_TENANT in shown["body"]) == (shown["bodyEncoding"], True)
    assert ["refused"] == [entry["what"] for entry in shown["history"]]
    assert '"1"' == response.headers["etag"]


async def test_what_names_no_tenant_is_the_platforms(api: Api) -> None:
    letter = await kept(api, body=b"\xff")

    assert 404 == (await api.get(f"{LETTERS}/{letter.id}")).status_code
    shown = (await api.get(f"{LETTERS}/{letter.id}", tenant_id=SYSTEM_TENANT)).json()
    assert ("/w==", "base64") == (shown["body"], shown["bodyEncoding"])


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("GET", "", None),
        ("PATCH", "", {"event": AN_EVENT}),
        ("POST", "/replay", None),
        ("POST", "/discard", {"reason": "no"}),
    ],
)
async def test_anothers_letter_is_not_found_like_an_unknown_one(
    api: Api, method: str, path: str, body: object
) -> None:
    letter = await kept(api)

    for id in (letter.id, new_id(), "nonsense", quote("a/b")):
        refused = await act(api, method, f"/{id}{path}", body, ANOTHER_TENANT, If_Match='"1"')
        assert 404 == refused.status_code
    assert "waiting" == (await letters.read(api.store, A_TENANT, letter.id)).record.status


async def test_an_edited_letter_is_replayed_as_it_was_edited(api: Api, bus: EventBus) -> None:
    letter = await kept(api)

    edited = await act(api, "PATCH", f"/{letter.id}", {"event": AN_EVENT}, If_Match='"1"')
    replayed = await act(api, "POST", f"/{letter.id}/replay", If_Match=edited.headers["etag"])

    assert (200, 200, "replayed") == (
        edited.status_code,
        replayed.status_code,
        replayed.json()["status"],
    )
    [message] = await bus.peek(QUEUE)
    assert (letter.message_id, b'"opportunityId":"o-1"' in message.body) == (message.id, True)
    history = replayed.json()["history"]
    assert [("edited", "ann"), ("replaying", "ann")] == [
        (entry["what"], entry["actor"]) for entry in history[1:3]
    ]


async def test_an_edit_must_say_which_version_it_changes(api: Api) -> None:
    letter = await kept(api)

    missing = await act(api, "PATCH", f"/{letter.id}", {"event": AN_EVENT})
    stale = await act(api, "PATCH", f"/{letter.id}", {"event": AN_EVENT}, If_Match='"7"')

    assert (428, "PRECONDITION_REQUIRED") == (missing.status_code, missing.json()["error"]["code"])
    assert (412, "PRECONDITION_FAILED") == (stale.status_code, stale.json()["error"]["code"])


@pytest.mark.parametrize(
    ("event", "what"),
    [
        ({**AN_EVENT, "tenantId": ANOTHER_TENANT}, "tenantId"),
        ({**AN_EVENT, "data": {}}, "opportunityId"),
        ({**AN_EVENT, "type": "no.such"}, "no.such"),
    ],
)
async def test_an_edit_that_does_not_help_is_refused_with_what_is_wrong(
    api: Api, event: object, what: str
) -> None:
    letter = await kept(api)

    refused = await act(api, "PATCH", f"/{letter.id}", {"event": event}, If_Match='"1"')

    [problem] = refused.json()["error"]["details"]
    assert (400, "event") == (refused.status_code, problem["field"])
    assert what in problem["message"]


async def test_a_letter_is_discarded_with_a_reason_and_can_be_had_back(
    api: Api, bus: EventBus
) -> None:
    letter = await kept(api)

    assert 400 == (await act(api, "POST", f"/{letter.id}/discard", {"reason": " "})).status_code
    discarded = (await act(api, "POST", f"/{letter.id}/discard", {"reason": "a test"})).json()
    again = await act(api, "POST", f"/{letter.id}/discard", {"reason": "a test"})
    replayed = await act(api, "POST", f"/{letter.id}/replay")

    assert ("discarded", "a test") == (discarded["status"], discarded["history"][-1]["note"])
    assert (409, "DEAD_LETTER_SETTLED") == (again.status_code, again.json()["error"]["code"])
    assert "replayed" == replayed.json()["status"]


async def test_a_letter_that_was_too_large_must_be_edited_first(api: Api, bus: EventBus) -> None:
    letter = await kept(api, body=b"begins", cut_from=300_000)

    refused = await act(api, "POST", f"/{letter.id}/replay", tenant_id=SYSTEM_TENANT)

    assert (409, "DEAD_LETTER_CUT") == (refused.status_code, refused.json()["error"]["code"])


async def test_a_letter_whose_queue_is_gone_is_reported_as_stranded(api: Api) -> None:
    letter = await kept(api, "no-such-queue")

    refused = await act(api, "POST", f"/{letter.id}/replay")

    assert (409, "DEAD_LETTER_STRANDED") == (refused.status_code, refused.json()["error"]["code"])


async def test_of_many_requests_at_once_one_replays(api: Api, bus: EventBus) -> None:
    letter = await kept(api)

    answers = await asyncio.gather(*(act(api, "POST", f"/{letter.id}/replay") for _ in range(10)))

    assert 1 == [answer.status_code for answer in answers].count(200)
    assert {200, 409, 412} >= {answer.status_code for answer in answers}
    assert 1 == await bus.depth(QUEUE)


async def test_many_are_scheduled_by_filter_at_a_rate(api: Api) -> None:
    for age in (3, 2, 1):
        await kept(api, code="poison", rejected_at=now() - timedelta(hours=age))
    other = await kept(api)

    answer = await act(api, "POST", "/replay", {"code": "poison", "rate": 0.1, "limit": 2})

    assert (202, 2, 0, True) == (
        answer.status_code,
        *(answer.json()[name] for name in ("scheduled", "skipped", "more")),
    )
    replaying = (await api.get(LETTERS, status="replaying")).json()["items"]
    assert 2 == len(replaying)
    assert other.id not in [letter["id"] for letter in replaying]


@pytest.mark.parametrize(
    "request_body",
    [
        {"rate": 0},
        {"rate": 1000},
        {"limit": 0},
        {"limit": 5000},
        {"codes": "x"},
        {"createdBefore": "today"},
    ],
)
async def test_a_request_that_makes_no_sense_is_refused(api: Api, request_body: object) -> None:
    assert 400 == (await act(api, "POST", "/replay", request_body)).status_code
