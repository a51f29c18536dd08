"""In whose name a request is made: the credential says it, and only a service that may names
another person.
"""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from blocks.contracts.approvals import ApprovalPolicy, Approvers
from blocks.contracts.records import ApprovalRecord
from tests.support.api.api_client import Api, an_api
from tests.support.api.credentials import a_service_token, a_token, as_user
from tests.support.factories import A_TENANT, ANOTHER_TENANT, an_approval

APPROVALS = "/api/v1/hitl/approvals"
VPS = ApprovalPolicy(approvers=Approvers(roles=("vp",)), reason_required="never")

ANN = as_user(a_token("approver", "operator"))
VP = as_user(a_token("approver", "vp"))
DESK = as_user(a_service_token("approver", "act-for-users", service="desk"))
BOT = as_user(a_service_token("approver", service="bot"))


@pytest.fixture(scope="module")
async def api(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Api]:
    async with an_api(tmp_path_factory.mktemp("api"), APPROVAL_LINK_SECRET="x" * 32) as api:
        yield api


async def decide(
    api: Api, headers: dict[str, str], *, decided_by: str | None = None, **policy: Any
) -> httpx.Response:
    await api.holds(approval := an_approval(execution_id=None, **policy))
    if decided_by is None:
        path, body = "decisions", {"outcome": "approve"}
    else:
        path, body = "approve", {"decidedBy": decided_by}
    return await api.client.post(f"{APPROVALS}/{approval.id}/{path}", json=body, headers=headers)


async def test_a_user_decides_in_the_name_of_the_token(api: Api) -> None:
    assert "ann" == (await decide(api, ANN)).json()["decidedBy"]
    assert "ann" == (await decide(api, ANN, decided_by="ann")).json()["decidedBy"]


@pytest.mark.parametrize(
    ("headers", "decided_by"),
    [
        (ANN, "bob"),
        (ANN, "Ann"),
        ({**ANN, "X-User-ID": "bob"}, None),
        ({**ANN, "X-User-ID": "bob"}, "bob"),
        ({**ANN, "X-User-Roles": "vp"}, None),
        (BOT, "ann"),
        ({**BOT, "X-User-ID": "ann"}, None),
        ({**DESK, "X-User-ID": "ann"}, "bob"),
    ],
)
async def test_no_one_decides_in_anothers_name(
    api: Api, headers: dict[str, str], decided_by: str | None
) -> None:
    refused = await decide(api, headers, decided_by=decided_by)

    assert (403, "FORBIDDEN") == (refused.status_code, refused.json()["error"]["code"])


async def test_a_service_that_acts_for_users_says_for_whom(api: Api) -> None:
    assert "ann" == (await decide(api, DESK, decided_by="ann")).json()["decidedBy"]
    assert "ann" == (await decide(api, {**DESK, "X-User-ID": "ann"})).json()["decidedBy"]
    assert (
        "ann"
        == (await decide(api, {**DESK, "X-User-ID": "ann"}, decided_by="ann")).json()["decidedBy"]
    )
    unnamed = await decide(api, DESK)
    assert (401, "User ID is required") == (unnamed.status_code, unnamed.json()["error"]["message"])


async def test_the_roles_that_an_approval_asks_for_come_from_the_token_or_such_a_service(
    api: Api,
) -> None:
    assert 403 == (await decide(api, ANN, policy=VPS)).status_code
    assert 200 == (await decide(api, VP, policy=VPS)).status_code
    assert 403 == (await decide(api, {**DESK, "X-User-ID": "ann"}, policy=VPS)).status_code
    assert (
        200
        == (
            await decide(api, {**DESK, "X-User-ID": "ann", "X-User-Roles": "cfo, vp"}, policy=VPS)
        ).status_code
    )


async def test_no_one_takes_anothers_vote_in_hand_by_making_a_link(api: Api) -> None:
    await api.holds(approval := an_approval(execution_id=None))
    path = f"{APPROVALS}/{approval.id}/links"

    statuses = [
        (await api.client.post(path, json={"recipient": recipient}, headers=headers)).status_code
        for recipient, headers in (
            ("bob", ANN),
            ("ann", ANN),
            ("bob", {**DESK, "X-User-ID": "ann"}),
        )
    ]

    assert [403, 201, 201] == statuses


@pytest.mark.parametrize("name", ["X-User-ID", "X-User-Roles"])
async def test_a_name_is_given_once_and_can_be_printed(api: Api, name: str) -> None:
    sent = [(key.encode(), value.encode()) for key, value in (*DESK.items(), (name, "ann"))]
    twice = await api.client.get(f"{APPROVALS}?mine=true", headers=[*sent, (name.encode(), b"ann")])
    umlaut = await api.client.get(
        f"{APPROVALS}?mine=true", headers=[*sent[:-1], (name.encode(), b"\xc3\xa4nn")]
    )

    assert [400, 400] == [twice.status_code, umlaut.status_code]


# --- AUTH_MODE=gateway ----------------------------------------------------------------------------


@pytest.fixture(scope="module")
async def behind_a_gateway(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Api]:
    async with an_api(tmp_path_factory.mktemp("api"), AUTH_MODE="gateway", JWT_SECRET="") as api:
        yield api


async def test_behind_a_gateway_the_headers_say_who_it_is(behind_a_gateway: Api) -> None:
    ann = {"X-Tenant-ID": A_TENANT, "X-User-ID": "ann", "X-User-Roles": "approver,vp"}

    assert "ann" == (await decide(behind_a_gateway, ann, policy=VPS)).json()["decidedBy"]
    assert 403 == (await decide(behind_a_gateway, ann, decided_by="bob")).status_code
    assert 403 == (await decide(behind_a_gateway, {**ann, "X-User-Roles": "vp"})).status_code
    assert 400 == (await decide(behind_a_gateway, {**ann, "X-User-ID": ""})).status_code


BOTH = ApprovalPolicy(approvers=Approvers(users=("ann", "bob")), quorum=2)
ONLY_ANN = ApprovalPolicy(approvers=Approvers(users=("ann",)))
TWO = ApprovalPolicy(quorum=2)
ALONE = {"X-Tenant-ID": A_TENANT}


@pytest.fixture(scope="module")
async def trusting(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Api]:
    """Behind a gateway that names no users, with the switch on."""
    async with an_api(
        tmp_path_factory.mktemp("api"),
        AUTH_MODE="gateway",
        JWT_SECRET="",
        AUTH_DEFAULT_ROLES="viewer,approver",
        AUTH_TRUST_DECIDED_BY="true",
    ) as api:
        yield api


@pytest.mark.parametrize("policy", [ONLY_ANN, TWO, VPS], ids=["by name", "by number", "by role"])
async def test_a_name_that_nothing_proves_decides_nothing_that_asks_for_people(
    behind_a_gateway: Api, policy: ApprovalPolicy
) -> None:
    headers = {**GATE, "X-User-Roles": "approver,vp"}

    refused = await decide(behind_a_gateway, headers, decided_by="ann", policy=policy)

    assert (403, "HITL_NOT_AN_APPROVER") == (refused.status_code, refused.json()["error"]["code"])


async def test_the_record_shows_that_nothing_proved_the_name(
    behind_a_gateway: Api, trusting: Api
) -> None:
    unproven = await decide(behind_a_gateway, GATE, decided_by="ann")
    trusted = await decide(trusting, ALONE, decided_by="ann")
    named = await decide(behind_a_gateway, {**GATE, "X-User-ID": "ann"}, decided_by="ann")

    assert ["ann"] * 3 == [one.json()["decidedBy"] for one in (unproven, trusted, named)]
    assert [False, True, True] == [
        one.json()["decisions"][0].get("proven", True) for one in (unproven, trusted, named)
    ]


@pytest.mark.parametrize("policy", [ApprovalPolicy(), ONLY_ANN], ids=["anyone", "by name"])
async def test_with_the_switch_on_a_tenant_alone_decides_in_any_name(
    trusting: Api, policy: ApprovalPolicy
) -> None:
    decided = await decide(trusting, ALONE, decided_by="ann", policy=policy)
    assert (200, "ann") == (decided.status_code, decided.json().get("decidedBy"))

    other = await decide(trusting, ALONE, decided_by="bob", policy=ONLY_ANN)
    assert 403 == other.status_code


async def test_with_the_switch_on_one_client_can_be_a_whole_quorum(trusting: Api) -> None:
    await trusting.holds(approval := an_approval(execution_id=None, policy=BOTH))
    path = f"{APPROVALS}/{approval.id}/approve"

    statuses = [
        (await trusting.client.post(path, json={"decidedBy": name}, headers=ALONE)).json()["status"]
        for name in ("ann", "bob")
    ]

    assert ["pending", "approved"] == statuses


async def test_with_the_switch_on_whom_the_gateway_names_is_still_the_only_one(
    trusting: Api,
) -> None:
    ann = {**ALONE, "X-User-ID": "ann"}

    assert 403 == (await decide(trusting, ann, decided_by="bob")).status_code
    assert 200 == (await decide(trusting, ann, decided_by="ann", policy=ONLY_ANN)).status_code
    assert 400 == (await decide(trusting, ALONE, decided_by="key:desk")).status_code


async def test_an_empty_body_is_answered_in_words(
    behind_a_gateway: Api, caplog: pytest.LogCaptureFixture
) -> None:
    await behind_a_gateway.holds(approval := an_approval(execution_id=None))
    path = f"{APPROVALS}/{approval.id}"

    empty = await behind_a_gateway.client.post(f"{path}/approve", headers=GATE)
    disabled = await behind_a_gateway.client.post(
        f"{path}/links", json={"recipient": "ann"}, headers=GATE
    )

    assert [{"message": "is required", "source": "body", "pointer": ""}] == empty.json()["error"][
        "details"
    ]
    assert 501 == disabled.status_code
    assert [] == [record for record in caplog.records if record.exc_info]


GATE = {"X-Tenant-ID": A_TENANT, "X-User-Roles": "approver"}
ROUTES = ("approve", "reject", "decisions", "bulk")


async def take(
    api: Api, route: str, headers: dict[str, str], decided_by: object
) -> tuple[int, str | None]:
    """The status of the decision, and who is on record as the one who decided."""
    await api.holds(approval := an_approval(execution_id=None))
    named = {} if decided_by is None else {"decidedBy": decided_by}
    path, body = {
        "approve": (f"{approval.id}/approve", named),
        "reject": (f"{approval.id}/reject", named),
        "decisions": (f"{approval.id}/decisions", {"outcome": "approve", **named}),
        "bulk": (
            "decisions",
            {"decisions": [{"id": approval.id.upper(), "outcome": "approve", **named}]},
        ),
    }[route]
    response = await api.client.post(f"{APPROVALS}/{path}", json=body, headers=headers)
    stored = await api.store.read(A_TENANT, ApprovalRecord, approval.id)
    return response.status_code, stored.record.decided_by


@pytest.mark.parametrize("route", ROUTES)
@pytest.mark.parametrize(
    ("user", "decided_by", "status", "decider"),
    [
        ("", "ann", 200, "ann"),
        ("", None, 400, None),
        ("", "", 400, None),
        ("", "  ", 400, None),
        ("", " ann", 200, "ann"),
        ("", "an\u200bn", 400, None),
        ("", "key:desk", 400, None),
        ("", "KEY:desk", 400, None),
        ("", "\uff4bey\uff1adesk", 400, None),
        ("", 7, 400, None),
        ("ann", "ann", 200, "ann"),
        ("ann", "bob", 403, None),
        ("ann", "key:desk", 403, None),
    ],
)
async def test_behind_a_gateway_that_names_no_user_the_body_says_who_decides(
    behind_a_gateway: Api,
    route: str,
    user: str,
    decided_by: object,
    status: int,
    decider: str | None,
) -> None:
    taken = await take(behind_a_gateway, route, {**GATE, "X-User-ID": user}, decided_by)

    assert (status, decider) == taken


@pytest.mark.parametrize("route", ROUTES)
async def test_a_client_that_shows_its_tenant_alone_decides_as_its_body_says(
    tmp_path: Path, route: str
) -> None:
    async with an_api(
        tmp_path, AUTH_MODE="gateway", JWT_SECRET="", AUTH_DEFAULT_ROLES="viewer,approver"
    ) as api:
        assert (200, "ann") == await take(api, route, {"X-Tenant-ID": A_TENANT.upper()}, "ann")
        assert (400, None) == await take(api, route, {"X-Tenant-ID": A_TENANT}, None)


@pytest.mark.parametrize("route", ["decisions", "bulk"])
async def test_a_user_whom_the_gateway_names_need_not_be_named_twice(
    behind_a_gateway: Api, route: str
) -> None:
    assert (200, "ann") == await take(behind_a_gateway, route, {**GATE, "X-User-ID": "ann"}, None)


@pytest.mark.parametrize("route", ROUTES)
async def test_no_service_decides_in_the_name_of_a_key(api: Api, route: str) -> None:
    assert (400, None) == await take(api, route, DESK, "key:desk")


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ([], 401),
        ([("X-Tenant-ID", "acme")], 400),
        ([("X-Tenant-ID", A_TENANT), ("X-Tenant-ID", ANOTHER_TENANT)], 400),
        ([("X-Tenant-ID", A_TENANT), ("X-User-Roles", "admin"), ("X-User-Roles", "viewer")], 400),
        ([("X-Tenant-ID", A_TENANT)], 200),
    ],
)
async def test_behind_a_gateway_a_tenant_is_named_once(
    behind_a_gateway: Api, headers: list[tuple[str, str]], status: int
) -> None:
    response = await behind_a_gateway.client.get("/api/v1/executions", headers=headers)

    assert status == response.status_code


# --- what is public -------------------------------------------------------------------------------


async def test_metrics_may_ask_for_a_token_of_their_own(tmp_path: Path) -> None:
    async with an_api(tmp_path, METRICS_BEARER_TOKEN="scraper") as api:
        statuses = [
            (await api.client.get("/metrics", headers={"Authorization": sent})).status_code
            for sent in ("Bearer scraper", "Bearer Scraper", "Bearer", f"Bearer {a_token('admin')}")
        ]

    assert [200, 401, 401, 401] == statuses
