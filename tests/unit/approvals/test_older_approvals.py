"""Approvals that the older orchestrator left: listed, shown and decided through every channel."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest
from click.testing import CliRunner, Result

from api.reconciler import Parts
from api.reconciler.kinds.approvals import OverdueApprovals, UnfollowedApprovals
from blocks.contracts.records import ApprovalRecord
from blocks.ports import RECORD_BYTES_MAX, Queue, RecordStore
from blocks.queries import tenants
from blocks.services import open_bus
from blocks.settings import load_settings
from deployments.bootstrap.provision import provision
from deployments.cli.app import cli
from tests.support.api.api_client import Api, an_api
from tests.support.api.approval_links import SECRET, a_token
from tests.support.factories import A_TENANT, ANOTHER_TENANT, a_tenant_record, an_approval
from tests.support.flow_runs import RememberedFlowRuns
from tests.support.older_service import Document, left_behind, older_approval

LIST = "/api/v1/hitl/approvals"
COMPLETED = Queue(name="an-unchanged-consumer", bindings=["hitl.approval.completed"])


@pytest.fixture
async def api(tmp_path: Path) -> AsyncIterator[Api]:
    async with an_api(tmp_path) as api:
        yield api


async def left(api: Api, **changes: Any) -> Document:
    document = older_approval(**changes)
    await left_behind(api.store, "hitl_approvals", document)
    return document


async def events_after(api: Api, *requests: tuple[str, object]) -> list[dict[str, Any]]:
    """What `hitl.approval.completed` a consumer receives of these requests."""
    settings = load_settings({"ORCHESTRATOR_DATA_DIR": api.folder})
    async with open_bus(settings, "test") as bus:
        await bus.declare(COMPLETED)
        for path, body in requests:
            await api.send("POST", path, body)
        return [msgspec.json.decode(one.body) for one in await bus.peek(COMPLETED.name)]


def code_of(response: httpx.Response) -> tuple[int, str]:
    return response.status_code, response.json()["error"]["code"]


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("approve", {"decidedBy": "ann", "comment": "fine"}, "approved"),
        ("reject", {"decidedBy": "ann", "comment": "too risky"}, "rejected"),
        ("decisions", {"decidedBy": "ann", "outcome": "approve"}, "approved"),
    ],
)
async def test_each_route_decides_it_once_and_announces_it_once(
    api: Api, path: str, body: dict[str, str], status: str
) -> None:
    document = await left(api)
    url = f"{LIST}/{document['id']}/{path}"

    [event] = await events_after(api, (url, body), (url, body))

    stored = (await api.store.read(A_TENANT, ApprovalRecord, document["id"])).record
    assert (status, "ann", "api") == (stored.status, stored.decided_by, stored.decided_through)
    assert {
        "tenantId": A_TENANT,
        "opportunityId": document["opportunityId"],
        "approvalId": document["id"],
        "approved": status == "approved",
        "decidedBy": "ann",
        "decidedAt": event["data"]["decidedAt"],
    } == event["data"]
    assert (409, "HITL_APPROVAL_NOT_PENDING") == code_of(await api.send("POST", url, body))


@pytest.mark.parametrize("path", ["approve", "reject", "decisions", "cancel", "claim"])
async def test_one_whose_record_has_no_room_is_refused_with_what_to_do(api: Api, path: str) -> None:
    document = await left(api, note="x" * 1_999_000)
    body = {"decidedBy": "ann", "comment": "no", "outcome": "approved"}
    of_action = {"cancel": {"reason": "no"}, "claim": None}

    url = f"{LIST}/{document['id']}"
    headers = {"X-Tenant-ID": A_TENANT, "X-User-ID": "ann"}
    answer = await api.client.post(f"{url}/{path}", json=of_action.get(path, body), headers=headers)

    assert (409, "HITL_APPROVAL_NO_ROOM") == code_of(answer)
    assert "shorten its document of the older service" in answer.json()["error"]["message"]
    assert "pending" == (await api.get(url)).json()["status"]


async def test_what_fits_is_decided_and_followed_up(api: Api) -> None:
    """The largest that may be decided: what follows from it is noted, too."""
    document = await left(api)
    stored = (await api.store.read(A_TENANT, ApprovalRecord, document["id"])).record
    room = RECORD_BYTES_MAX - 2_000 - len(msgspec.json.encode(stored))
    large = await left(api, note="x" * room)

    answer = await api.send("POST", f"{LIST}/{large['id']}/approve", {"decidedBy": "ann"})

    assert 200 == answer.status_code
    decided = (await api.store.read(A_TENANT, ApprovalRecord, large["id"])).record
    assert decided.settled_at
    assert len(decided.history) == decided.published_count


async def test_many_are_decided_at_once(api: Api) -> None:
    documents = [await left(api) for _ in range(3)]
    decisions = [{"id": one["id"], "decidedBy": "ann", "outcome": "approved"} for one in documents]

    answer = await api.send("POST", f"{LIST}/decisions", {"decisions": decisions})

    assert [200, 200, 200] == [one["status"] for one in answer.json()["results"]]


async def test_its_document_has_the_fields_that_the_older_routes_answered(api: Api) -> None:
    document = await left(api)

    answer = (await api.get(f"{LIST}/{document['id']}")).json()

    stated = {key: value for key, value in document.items() if key != "requestedAt"}
    assert stated.items() <= answer.items()
    assert "2026-03-02T09:15:00.250000Z" == answer["requestedAt"]


async def test_the_list_holds_both_with_its_filters_pages_and_counts(api: Api) -> None:
    older = [await left(api, requestedAt=f"2026-03-02T1{hour}:00:00.000Z") for hour in (0, 1)]
    await left(api, status="approved", decidedBy="bob", opportunityId="another")
    await api.holds(ours := an_approval(execution_id=None))

    first = (await api.get(LIST, limit=2, status="pending")).json()
    second = (
        await api.get(LIST, limit=2, status="pending", continuation=first["continuation"])
    ).json()
    of_subject = (await api.get(LIST, subject="another")).json()

    found = [one["id"] for one in (*first["items"], *second["items"])]
    assert [ours.id, older[1]["id"], older[0]["id"]] == found
    assert (3, 1) == (first["counts"]["pending"], first["counts"]["approved"])
    assert ["bob"] == [one["decidedBy"] for one in of_subject["items"]]


@pytest.mark.parametrize("status", ["escalated", None])
async def test_what_may_have_been_decided_is_not_found(api: Api, status: str | None) -> None:
    document = await left(api, status=status)

    answer = await api.send("POST", f"{LIST}/{document['id']}/approve", {"decidedBy": "ann"})

    assert (404, "HITL_APPROVAL_NOT_FOUND") == code_of(answer)
    assert 200 == (await api.get(LIST)).status_code


async def test_another_tenant_neither_sees_nor_decides_it(api: Api) -> None:
    document = await left(api)
    path = f"{LIST}/{document['id']}"

    assert 404 == (await api.get(path, ANOTHER_TENANT)).status_code
    decision = await api.send("POST", f"{path}/approve", {"decidedBy": "ann"}, ANOTHER_TENANT)
    assert 404 == decision.status_code


async def test_the_other_actions_work_on_it(api: Api) -> None:
    document = await left(api)
    path = f"{LIST}/{document['id']}"

    for action in ("claim", "release", "remind"):
        answer = await api.client.post(
            f"{path}/{action}", headers={"X-Tenant-ID": A_TENANT, "X-User-ID": "ann"}
        )
        assert 200 == answer.status_code, answer.text
    history = (await api.get(f"{path}/history")).json()["items"]

    assert ["requested", "claimed", "released", "reminded"] == [one["what"] for one in history]


async def test_its_tenant_is_in_the_directory_once_it_is_decided(api: Api) -> None:
    document = await left(api)
    assert [] == await tenants(api.store)

    await api.send("POST", f"{LIST}/{document['id']}/approve", {"decidedBy": "ann"})

    assert [A_TENANT] == await tenants(api.store)


async def test_the_reconciler_leaves_the_documents_alone(api: Api) -> None:
    pending, decided = await left(api), await left(api, status="approved", decidedBy="bob")
    await api.holds(a_tenant_record(tenant=A_TENANT))
    settings = load_settings({"ORCHESTRATOR_DATA_DIR": api.folder})
    async with open_bus(settings, "test") as bus:
        await bus.declare(COMPLETED)
        parts = Parts.of(settings, api.store, bus, RememberedFlowRuns())
        assert 0 == sum(
            [await one(parts).look() for one in (OverdueApprovals, UnfollowedApprovals)]
        )
        assert [] == await bus.peek(COMPLETED.name)

    assert sorted([pending["id"], decided["id"]]) == await document_ids(api.store)


async def test_a_decision_that_was_not_announced_is_announced_by_the_reconciler(api: Api) -> None:
    from blocks.approvals import lifecycle
    from blocks.approvals.decisions import Vote

    document = await left(api)
    vote = Vote(actor="ann", outcome="approved", channel="api")
    await lifecycle.record_vote(api.store, A_TENANT, document["id"], vote)
    settings = load_settings({"ORCHESTRATOR_DATA_DIR": api.folder})
    async with open_bus(settings, "test") as bus:
        await bus.declare(COMPLETED)
        parts = Parts.of(settings, api.store, bus, RememberedFlowRuns())
        for _ in range(2):
            await UnfollowedApprovals(parts).look()

        [event] = await bus.peek(COMPLETED.name)
    assert document["id"] == msgspec.json.decode(event.body)["data"]["approvalId"]


def test_the_command_line_lists_shows_and_decides_it(tmp_path: Path) -> None:
    environment = {"ORCHESTRATOR_DATA_DIR": str(tmp_path), "ORCHESTRATOR_TENANT": A_TENANT}
    settings, document = load_settings(environment), older_approval(amount="$5")
    asyncio.run(provision(settings))

    async def put() -> None:
        from blocks.adapters.sqlite.record_store import SqliteRecordStore

        async with SqliteRecordStore(tmp_path / "records.db") as store:
            await left_behind(store, "hitl_approvals", document)

    asyncio.run(put())

    def run(*arguments: str) -> Result:
        return CliRunner().invoke(cli, ["approvals", *arguments], obj={}, env=environment)

    assert document["id"] in run("list").output
    assert "unknown" in run("show", document["id"]).output
    assert "is approved" in run("approve", document["id"], "--as", "ann").output
    assert "decided: approved" in run("show", document["id"]).output


async def document_ids(store: RecordStore) -> list[str]:
    return [one["id"] for one in await store.older_documents(A_TENANT, "hitl_approvals")]


async def test_its_page_shows_and_decides_it(tmp_path: Path) -> None:
    async with an_api(tmp_path, APPROVAL_LINK_SECRET=SECRET) as api:
        document = await left(api)
        approval = (await api.store.read(A_TENANT, ApprovalRecord, document["id"])).record
        page = f"/api/v1/hitl/links/{a_token(approval)}/page"

        shown = await api.client.get(page)
        answer = await api.client.post(page, data={"outcome": "approved"}, follow_redirects=True)

        stored = (await api.store.read(A_TENANT, ApprovalRecord, document["id"])).record
    assert "1,500,000" in shown.text
    assert (200, "approved", "page") == (
        answer.status_code,
        stored.status,
        stored.decided_through,
    )
