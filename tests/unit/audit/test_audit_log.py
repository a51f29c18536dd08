"""The audit log: every change over HTTP leaves one entry that says who, what and how it was before
and after.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest

from api.access.permissions import ROLE_OF, role_of
from api.access.platform_paths import OF_THE_PLATFORM
from api.audit.acts import ACTION_OF, ON_A_LOG_OF_ITS_OWN
from blocks.adapters.sqlite.record_store import SqliteRecordStore
from blocks.audit import changes as audit_changes
from blocks.audit.recording import Audit, audited, finish_lost_acts
from blocks.contracts.ids import SYSTEM_TENANT
from blocks.contracts.records import (
    ApiKeyRecord,
    ApprovalRecord,
    ExecutionRecord,
    Record,
    WebhookSubscription,
)
from blocks.contracts.records.audit import Act, AuditEntry
from blocks.contracts.records.claims import ClaimRecord
from blocks.contracts.records.dead_letters import DeadLetterRecord
from blocks.ports import Queue, Stored, Unavailable
from blocks.services import open_bus
from blocks.settings import load_settings
from blocks.topology import batch_jobs_queue
from tests.support.api import approval_links
from tests.support.api.api_client import Api, an_api
from tests.support.api.credentials import a_service_token, a_token, as_user
from tests.support.api.every_route import Route, a_record, every_page, every_route
from tests.support.api.journeys import a_journey as a_journey_in
from tests.support.api.journeys import a_phase
from tests.support.audit_log import entries, intents
from tests.support.claims.records import a_claim, a_journey, a_prompt_about
from tests.support.factories import (
    A_TENANT,
    ANOTHER_TENANT,
    a_webhook,
    an_approval,
    an_approval_asked_back,
    an_execution,
    new_id,
    now,
)

AUDIT = "/api/v1/audit"
READING = ("GET ", "WEBSOCKET ")
CHANGING = [
    route
    for route in every_route()
    if route.method != "GET" and route.name not in ON_A_LOG_OF_ITS_OWN
]
Named = pytest.mark.parametrize("route", CHANGING, ids=lambda route: f"{route.method} {route.path}")


@pytest.fixture
async def api(tmp_path: Path) -> AsyncIterator[Api]:
    async with an_api(tmp_path) as api:
        yield api


@pytest.fixture(scope="module")
async def of_all_routes(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Api]:
    folder = tmp_path_factory.mktemp("audit")
    settings = load_settings({"ORCHESTRATOR_DATA_DIR": str(folder)})
    async with (
        open_bus(settings, "test") as bus,
        an_api(folder, APPROVAL_LINK_SECRET=approval_links.SECRET) as api,
    ):
        await bus.declare(batch_jobs_queue(settings), Queue(name="a-queue", bindings=[]))
        yield api


# --- every route ----------------------------------------------------------------------------------


def test_every_route_that_changes_something_is_named_in_the_table_of_actions() -> None:
    pages = [one for one in every_page() if one.method != "GET" and not one.is_public]

    assert {route.name for route in (*CHANGING, *pages)} == set(ACTION_OF)
    changing = {name for name in ROLE_OF if not name.startswith(READING)}
    assert changing - ON_A_LOG_OF_ITS_OWN <= set(ACTION_OF)


@Named
async def test_a_change_leaves_one_entry(of_all_routes: Api, route: Route) -> None:
    record = await arranged(of_all_routes, route)
    role = role_of(route.method, route.path)

    response, [entry] = await asked(of_all_routes, route, record, role)

    assert response.status_code < 400, response.text
    assert (ACTION_OF[route.name], "done", "ann") == (entry.action, entry.result, entry.actor)
    assert ("link" if route.is_public else "user-token", [role] if role else []) == (
        entry.credential,
        entry.roles,
    )
    assert entry.changes
    assert {change.id for change in entry.changes} <= set(entry.targets)
    assert [] == await intents(of_all_routes.store)


@pytest.mark.parametrize(
    "route",
    [one for one in CHANGING if not (one.is_public or role_of(one.method, one.path) == "viewer")],
    ids=lambda one: one.path,
)
async def test_who_lacks_the_role_leaves_an_entry_of_the_refusal(
    of_all_routes: Api, route: Route
) -> None:
    record = await arranged(of_all_routes, route)

    response, [entry] = await asked(of_all_routes, route, record, None)

    assert 403 == response.status_code
    assert (ACTION_OF[route.name], "refused", []) == (entry.action, entry.result, entry.changes)


async def asked(
    api: Api, route: Route, record: Record, role: str | None
) -> tuple[httpx.Response, list[AuditEntry]]:
    """The answer to a good request of ann's about this record, and what it left on the log."""
    headers = {**route.headers, "x-request-id": (request_id := new_id())}
    tenant_id = record.tenant if isinstance(record, ApiKeyRecord) else record.tenant_id
    if route.is_public:
        path = route.path.replace("{token}", approval_links.a_token(record))  # type: ignore[arg-type] # see ARRANGED
        form: dict[str, Any] = {
            "data" if path.endswith("/page") else "json": {"outcome": "approved"}
        }
        response = await api.client.post(path, headers=headers, **form)
    else:
        headers |= as_user(a_token(*([role] if role else []), tenant_id=tenant_id), tenant_id)
        body = route.body
        if route.name == "POST /hitl/approvals/decisions":
            body = {"decisions": [{"id": record.id, "outcome": "approved"}]}
        if isinstance(record, ClaimRecord) and body is not None:
            body = body | {"claim_id": record.claim_id}
        response = await api.client.request(
            route.method, route.with_id(record.id), json=body, headers=headers
        )
    left = await entries(api.store, tenant_id)
    return response, [entry for entry in left if entry.request_id == request_id]


async def arranged(api: Api, route: Route) -> Record:
    """What a good request to the route can be about, in the state that it takes."""
    is_of_platform = "/dispatch" in route.path or route.path.startswith(OF_THE_PLATFORM)
    tenant_id = SYSTEM_TENANT if is_of_platform else A_TENANT
    if route.name in ("DELETE /definitions/{workflow}", "DELETE /dispatch/tenants/{tenantId}"):
        await api.send("PUT", route.with_id(""), {}, tenant_id)
    if route.name == "POST /claims/{syncId}/retry":
        return await a_journey_in(api.store, tenant_id, status="failed")
    if make := ARRANGED.get(route.name):
        record = make()
        if isinstance(record, ClaimRecord):
            await api.store.create(tenant_id, a_journey(id=record.execution_id))
        return (await api.store.create(tenant_id, record)).record
    kind = DeadLetterRecord if "/dead-letters" in route.path else route.record or ExecutionRecord
    return await a_record(api.store, kind, tenant_id)


def ended(status: str, **changes: Any) -> Callable[[], Record]:
    end = {"status": status, "completed_at": now(), "announced_at": now()}
    return lambda: an_execution(**end, **changes)


def asked_of_all() -> Record:
    return an_approval(execution_id=None)


OF_AN_OPERATION = {"workflow": "log-rotation", "tenant_id": SYSTEM_TENANT}

ARRANGED: Mapping[str, Callable[[], Record]] = {
    "POST /hitl/approvals/{approvalId}/answer": an_approval_asked_back,
    "POST /executions/{executionId}/retry": ended("failed"),
    "POST /workflows/{workflowId}/retry": ended("failed"),
    "POST /executions/{executionId}/rerun": ended("completed"),
    "POST /api/runs/{runId}/cancel": lambda: an_execution(**OF_AN_OPERATION),
    "POST /api/runs/{runId}/retry": ended("failed", **OF_AN_OPERATION),
    "POST /workflow/queue/clean": lambda: a_phase(status="failed", completed_at=now()),
    "POST /hitl/approvals/decisions": asked_of_all,
    "POST /evidence/prompts": a_claim,
    "POST /evidence/prompts/{promptId}/answer": lambda: a_prompt_about(a_claim()),
    "DELETE /evidence/prompts/{promptId}": lambda: a_prompt_about(a_claim()),
    "POST /hitl/links/{token}": asked_of_all,
    "POST /hitl/links/{token}/page": asked_of_all,
}


# --- once, and never lost -------------------------------------------------------------------------


async def test_a_request_that_is_repeated_under_its_key_leaves_one_entry(api: Api) -> None:
    await api.holds(execution := an_execution())
    path, headers = (
        f"/api/v1/executions/{execution.id}/cancel",
        {"X-Tenant-ID": A_TENANT, "Idempotency-Key": "key-1"},
    )

    answers = await asyncio.gather(
        *(api.client.post(path, json={}, headers=headers) for _ in range(5))
    )
    answers.append(await api.client.post(path, json={}, headers=headers))

    assert 200 == answers[-1].status_code
    assert ["execution.cancel"] == [entry.action for entry in await entries(api.store)]


async def test_of_twenty_at_once_only_the_one_that_counts_leaves_an_entry(api: Api) -> None:
    await api.holds(execution := an_execution())
    path = f"/api/v1/executions/{execution.id}/cancel"

    await asyncio.gather(*(api.send("POST", path, {}) for _ in range(20)))

    [entry] = await entries(api.store)
    assert ("done", [execution.id]) == (entry.result, entry.targets)


async def test_what_changes_nothing_leaves_nothing(api: Api) -> None:
    await api.holds(
        done := an_execution(status="completed", completed_at=now(), announced_at=now())
    )

    for path, status in ((done.id, 409), (new_id(), 404), ("no-id", 404)):
        assert (
            status == (await api.send("POST", f"/api/v1/executions/{path}/cancel", {})).status_code
        )
    assert 400 == (await api.send("POST", "/api/v1/executions", {"workflow": 7})).status_code

    assert ([], []) == (await entries(api.store), await intents(api.store))


class EntriesLost(SqliteRecordStore):
    """A store that goes away just when the entry is to be written."""

    async def create(self, tenant_id: str, record: Any) -> Stored[Any]:
        if isinstance(record, AuditEntry):
            raise Unavailable("the store is away")
        return await super().create(tenant_id, record)


async def test_an_entry_that_could_not_be_written_is_written_later_and_states_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("blocks.audit.recording.ENTRY_SECONDS", 0.1)
    async with EntriesLost(tmp_path / "records.db") as store, an_api(tmp_path, store=store) as api:
        await api.holds(execution := an_execution())
        response = await api.send("POST", f"/api/v1/executions/{execution.id}/cancel", {})
        assert (200, "cancelled") == (response.status_code, response.json()["status"])

    async with SqliteRecordStore(tmp_path / "records.db") as back:
        [intent] = await intents(back)
        assert 0 == await finish_lost_acts(back)  # it might still be under way
        assert [1, 0] == [await finish_lost_acts(back, before=now()) for _ in range(2)]

        [entry] = await entries(back)
        assert (intent.id, "execution.cancel", "unknown", [execution.id]) == (
            entry.id,
            entry.action,
            entry.result,
            entry.targets,
        )
        assert [] == await intents(back)


async def test_without_an_intent_nothing_is_changed(tmp_path: Path) -> None:
    class IntentsRefused(SqliteRecordStore):
        async def create(self, tenant_id: str, record: Any) -> Stored[Any]:
            raise Unavailable("the store is away")

    async with SqliteRecordStore(tmp_path / "records.db") as store:
        await store.create(A_TENANT, execution := an_execution())
    async with (
        IntentsRefused(tmp_path / "records.db") as store,
        an_api(tmp_path, store=store) as api,
    ):
        assert (
            503
            == (await api.send("POST", f"/api/v1/executions/{execution.id}/cancel", {})).status_code
        )
        assert (
            "pending" == (await store.read(A_TENANT, ExecutionRecord, execution.id)).record.status
        )


async def test_an_act_that_ends_after_it_was_given_up_is_logged_to_its_end(api: Api) -> None:
    audit = await Audit.begin(api.store, A_TENANT, an_act())
    await finish_lost_acts(api.store, before=now())

    await audit.store.create(A_TENANT, an_execution())
    await audit.end("done")

    assert {"unknown", "done"} == {entry.result for entry in await entries(api.store)}


async def test_what_fails_after_a_change_is_logged_as_incomplete(api: Api) -> None:
    async def fail_half_way() -> None:
        async with audited(api.store, A_TENANT, an_act()) as store:
            await store.create(A_TENANT, an_execution())
            raise LookupError

    with pytest.raises(LookupError):
        await fail_half_way()

    assert ["incomplete"] == [entry.result for entry in await entries(api.store)]


# --- before and after -----------------------------------------------------------------------------


async def test_an_entry_lists_the_fields_that_changed_as_they_were_and_are(api: Api) -> None:
    for enabled in (True, False):
        await api.send("PUT", "/api/v1/definitions/opportunity-analysis", {"enabled": enabled})

    first, second = await entries(api.store)

    [created], [changed] = first.changes, second.changes
    assert (None, True) == (created.before, (created.after or {})["enabled"])
    assert ({"enabled": True, "version": 1}, {"enabled": False, "version": 2}) == (
        changed.before,
        changed.after,
    )


async def test_what_was_removed_stands_on_the_log_without_its_secrets(api: Api) -> None:
    url = "https://user:pass@hooks.customer.example/services/T0/B0/canary?token=canary"
    await api.holds(webhook := a_webhook(url=url, secret="whsec_canary"))

    await api.send("DELETE", f"/api/v1/webhooks/{webhook.id}")

    [change] = (await entries(api.store))[0].changes
    assert ("webhook", webhook.id, None) == (change.kind, change.id, change.after)
    assert "https://hooks.customer.example" == (change.before or {})["url"]
    assert not {"canary", "pass"} & set(
        msgspec.json.encode(change).decode().replace("/", '"').split('"')
    )


@pytest.mark.parametrize("kind", audit_changes.LEFT_OUT, ids=lambda kind: kind.__name__)
def test_nothing_that_looks_like_a_secret_is_logged(kind: type[Record]) -> None:
    logged = {field.encode_name for field in msgspec.structs.fields(kind)} - set(
        audit_changes.LEFT_OUT[kind]
    )
    # the digest of a body that people with this role may read; whether a key is one, not the link
    harmless = {DeadLetterRecord: {"digest"}, ApiKeyRecord: {"isLoginLink"}}.get(kind, set())

    assert (
        set()
        == {name for name in logged if any(word in name.lower() for word in SECRET_WORDS)}
        - harmless
    )


SECRET_WORDS = ("secret", "token", "password", "digest", "link", "nonce")


def test_every_kind_that_a_person_can_change_is_logged() -> None:
    assert {
        ExecutionRecord,
        ApprovalRecord,
        WebhookSubscription,
        ApiKeyRecord,
        DeadLetterRecord,
    } <= set(audit_changes.LEFT_OUT)


async def test_of_a_large_value_its_size_and_digest_are_logged(api: Api) -> None:
    body = {"workflow": "opportunity-analysis", "subject": "o-1", "input": {"note": "x" * 100_000}}

    await api.send("POST", "/api/v1/executions", body)

    [entry] = await entries(api.store)
    assert ["bytes", "sha256"] == sorted((entry.changes[0].after or {})["input"])
    assert len(msgspec.json.encode(entry)) < 3_000


async def test_bookkeeping_alone_is_no_change(api: Api) -> None:
    approval = an_approval()
    async with audited(api.store, A_TENANT, an_act()) as store:
        await api.holds(approval)
        stored = await store.read(A_TENANT, ApprovalRecord, approval.id)
        await store.replace(
            A_TENANT, stored.etag, msgspec.structs.replace(approval, published_count=1)
        )

    assert [] == await entries(api.store)


# --- who ------------------------------------------------------------------------------------------


async def test_an_entry_names_the_user_and_the_service_that_acted_for_them(api: Api) -> None:
    token = a_service_token("operator", "act-for-users", service="chat-bot")
    headers = {**as_user(token), "X-User-ID": "ann"}

    await api.client.post("/api/v1/executions", json=A_START, headers=headers)

    [entry] = await entries(api.store)
    assert ("ann", "service-token", "service:chat-bot", ["operator"]) == (
        entry.actor,
        entry.credential,
        entry.service,
        entry.roles,
    )


A_START = {"workflow": "opportunity-analysis", "subject": "o-1"}


def an_act(**changes: Any) -> Act:
    act = Act(action="execution.cancel", actor="ann", credential="user-token", channel="api")
    return msgspec.structs.replace(act, **changes)


# --- read -----------------------------------------------------------------------------------------


async def test_the_log_is_read_newest_first_page_by_page(api: Api) -> None:
    for number in range(3):
        await api.send("POST", "/api/v1/executions", {**A_START, "subject": f"o-{number}"})

    first = (await api.get(AUDIT, limit=2)).json()
    second = (await api.get(AUDIT, limit=2, continuation=first["continuation"])).json()

    logged = [
        entry["changes"][0]["after"]["subject"]
        for page in (first, second)
        for entry in page["items"]
    ]
    assert ["o-2", "o-1", "o-0"] == logged
    assert "continuation" not in second


async def test_the_log_can_be_asked_for_an_action_an_actor_a_target_and_a_time(api: Api) -> None:
    started = (await api.send("POST", "/api/v1/executions", A_START)).json()
    between = now().isoformat()
    await api.client.post(
        f"/api/v1/executions/{started['id']}/cancel",
        json={},
        headers=as_user(a_token("operator", user="bob")),
    )
    await api.send("POST", "/api/v1/executions", {**A_START, "subject": "o-2"})

    async def actions(**wanted: str) -> list[str]:
        return [entry["action"] for entry in (await api.get(AUDIT, **wanted)).json()["items"]]

    assert ["execution.start"] * 2 == await actions(action="execution.start")
    assert ["execution.cancel"] == await actions(actor="bob")
    assert ["execution.cancel", "execution.start"] == await actions(target=started["id"])
    assert ["execution.start"] == await actions(createdBefore=between)
    assert ["execution.start", "execution.cancel"] == await actions(createdAfter=between)


async def test_a_tenant_reads_its_own_log_only(api: Api) -> None:
    await api.send("POST", "/api/v1/executions", A_START)

    assert [] == (await api.get(AUDIT, ANOTHER_TENANT)).json()["items"]
