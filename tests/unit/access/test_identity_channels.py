"""The same name, by whatever credential and channel it comes: each kind of caller has a namespace
of its own, and none votes as another.
"""

import asyncio
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack
from datetime import timedelta
from types import SimpleNamespace
from typing import Any, cast

import httpx
import msgspec
import pytest
from click.testing import CliRunner

from blocks.contracts.approvals import ApprovalPolicy, Approvers
from blocks.contracts.identities import KEY, RESERVED
from blocks.contracts.records import ApprovalRecord
from blocks.security import api_keys
from deployments.cli.app import cli
from flows.shared import gate_wait
from flows.shared.runtime import Runtime
from tests.support.api.api_client import Api, an_api
from tests.support.api.approval_links import SECRET
from tests.support.api.credentials import a_service_token, as_user
from tests.support.api.credentials import a_token as jwt_of
from tests.support.audit_log import entries
from tests.support.factories import A_TENANT, an_approval

APPROVALS = "/api/v1/hitl/approvals"
Headers = Mapping[str, str]


class Doors(msgspec.Struct, frozen=True):
    """Two APIs on the same files: one takes credentials, one believes a gateway."""

    by_credential: Api
    by_gateway: Api
    keys: Mapping[str, str]


@pytest.fixture(scope="module")
async def doors(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Doors]:
    folder = tmp_path_factory.mktemp("doors")
    async with AsyncExitStack() as stack:
        by_credential = await stack.enter_async_context(
            an_api(folder, APPROVAL_LINK_SECRET=SECRET, REQUESTS_PER_MINUTE="0")
        )
        by_gateway = await stack.enter_async_context(
            an_api(
                folder,
                AUTH_MODE="gateway",
                JWT_SECRET="",
                AUTH_DEFAULT_ROLES="viewer,approver",
                REQUESTS_PER_MINUTE="0",
            )
        )
        keys = {
            name: (
                await api_keys.create_key(
                    by_credential.store,
                    A_TENANT,
                    name,
                    ("approver", "operator"),
                    lives=timedelta(hours=1),
                    acts_for_users=name == "desk",
                )
            )[0]
            for name in ("ann", "desk")
        }
        yield Doors(by_credential, by_gateway, keys)


# --- who calls ------------------------------------------------------------------------------------


class Caller(msgspec.Struct, frozen=True):
    """Something that goes by the name `ann`: how it shows itself, and what it is on the record."""

    on_record: str
    headers: Callable[[Doors], Headers]
    named: str | None = None
    """In the body, as `decidedBy`."""
    through_gateway: bool = False
    is_proven: bool = True


ROLES = ("approver", "operator")


def bearer(token: str, **more: str) -> Headers:
    return as_user(token) | {name.replace("_", "-"): value for name, value in more.items()}


GATEWAY = {"X-Tenant-ID": A_TENANT, "X-User-Roles": ",".join(ROLES)}
ACTS = (*ROLES, "act-for-users")

CALLERS: Mapping[str, Caller] = {
    "a user": Caller("ann", lambda _: bearer(jwt_of(*ROLES))),
    "a key": Caller("key:ann", lambda doors: bearer(doors.keys["ann"])),
    "a service": Caller("service:ann", lambda _: bearer(a_service_token(*ROLES, service="ann"))),
    "a service for ann": Caller(
        "ann", lambda _: bearer(a_service_token(*ACTS, service="desk"), X_User_ID="ann")
    ),
    "a key for ann": Caller("ann", lambda doors: bearer(doors.keys["desk"], X_User_ID="ann")),
    "a gateway's user": Caller(
        "ann", lambda _: {**GATEWAY, "X-User-ID": "ann"}, through_gateway=True
    ),
    "whom a gateway's client names": Caller(
        "ann", lambda _: GATEWAY, named="ann", through_gateway=True, is_proven=False
    ),
}


# --- the channels ---------------------------------------------------------------------------------


async def post(
    doors: Doors, caller: Caller, path: str, body: Mapping[str, object]
) -> httpx.Response:
    api = doors.by_gateway if caller.through_gateway else doors.by_credential
    return await api.client.post(f"{APPROVALS}/{path}", json=body, headers=caller.headers(doors))


Decide = Callable[[Doors, Caller, ApprovalRecord], Awaitable[int]]


async def through_the_older_route(doors: Doors, caller: Caller, approval: ApprovalRecord) -> int:
    named = {"decidedBy": caller.named or caller.on_record}
    return (await post(doors, caller, f"{approval.id}/approve", named)).status_code


async def through_decisions(doors: Doors, caller: Caller, approval: ApprovalRecord) -> int:
    body = {"outcome": "approve"} | named_by(caller)
    return (await post(doors, caller, f"{approval.id}/decisions", body)).status_code


async def through_many(doors: Doors, caller: Caller, approval: ApprovalRecord) -> int:
    body = {"decisions": [{"id": approval.id, "outcome": "approve"} | named_by(caller)]}
    answer = await post(doors, caller, "decisions", body)
    return int(answer.json()["results"][0]["status"])


def named_by(caller: Caller) -> dict[str, str]:
    return {"decidedBy": caller.named} if caller.named else {}


ROUTES: tuple[Decide, ...] = (through_the_older_route, through_decisions, through_many)

Channel = Callable[[Doors, str, ApprovalRecord], Awaitable[bool]]
"""Decides in this name, if the channel takes it."""


async def link_for(doors: Doors, name: str, approval: ApprovalRecord) -> str | None:
    """The path of a link that a service which acts for users has made for this name, if one is
    made.
    """
    desk = bearer(a_service_token(*ACTS, service="desk"), X_User_ID="eve")
    path = f"{APPROVALS}/{approval.id}/links"
    made = await doors.by_credential.client.post(path, json={"recipient": name}, headers=desk)
    return str(made.json()["path"]) if made.is_success else None


async def through_a_link(doors: Doors, name: str, approval: ApprovalRecord) -> bool:
    path = await link_for(doors, name, approval)
    return bool(
        path
        and (await doors.by_credential.client.post(path, json={"outcome": "approve"})).is_success
    )


async def through_its_page(doors: Doors, name: str, approval: ApprovalRecord) -> bool:
    path, form = await link_for(doors, name, approval), {"outcome": "approved"}
    return bool(
        path
        and (await doors.by_credential.client.post(f"{path}/page", data=form)).status_code == 303
    )


async def through_the_command_line(doors: Doors, name: str, approval: ApprovalRecord) -> bool:
    command = ["approvals", "approve", approval.id, "--tenant", A_TENANT, "--as", name]
    folder = {"ORCHESTRATOR_DATA_DIR": doors.by_credential.folder}
    return (
        await asyncio.to_thread(CliRunner().invoke, cli, command, obj={}, env=folder)
    ).exit_code == 0


async def through_prefects_form(doors: Doors, name: str, approval: ApprovalRecord) -> bool:
    return await resumed(doors, name, approval, is_trusted=False)


async def through_prefects_trusted_form(doors: Doors, name: str, approval: ApprovalRecord) -> bool:
    return await resumed(doors, name, approval, is_trusted=True)


async def resumed(doors: Doors, name: str, approval: ApprovalRecord, *, is_trusted: bool) -> bool:
    """The flow takes what was typed into the form with which a person resumes its run."""
    settings = SimpleNamespace(approvals=SimpleNamespace(trust_prefect_ui=is_trusted))
    context = cast("Runtime", SimpleNamespace(store=doors.by_credential.store, settings=settings))
    await gate_wait._take(context, approval, {"decision": "approve", "decided_by": name})
    return bool((await stored(doors, approval)).decisions)


CHANNELS: Mapping[Channel, str] = {
    through_a_link: "ann",
    through_its_page: "ann",
    through_the_command_line: "ann",
    through_prefects_form: "claimed:ann",
    through_prefects_trusted_form: "ann",
}
"""And what the name `ann` is on the record when it comes through it."""


# --- what is on the record ------------------------------------------------------------------------


anyone = ApprovalPolicy()
only_ann = ApprovalPolicy(approvers=Approvers(users=("ann",)))
both = ApprovalPolicy(approvers=Approvers(users=("ann", "bob")), quorum=2)


async def stored(doors: Doors, approval: ApprovalRecord) -> ApprovalRecord:
    return (await doors.by_credential.store.read(A_TENANT, ApprovalRecord, approval.id)).record


async def asked(doors: Doors, policy: ApprovalPolicy = anyone) -> ApprovalRecord:
    approval = an_approval(policy=policy, execution_id=None)
    await doors.by_credential.holds(approval)
    return approval


async def acted_on(doors: Doors, approval: ApprovalRecord) -> set[str | None]:
    """Who, as the audit log has it."""
    return {
        entry.actor
        for entry in await entries(doors.by_credential.store)
        if approval.id in entry.targets
    }


async def deciders(doors: Doors, approval: ApprovalRecord) -> list[str]:
    return [one.actor for one in (await stored(doors, approval)).decisions]


@pytest.mark.parametrize("caller", CALLERS)
@pytest.mark.parametrize("route", ROUTES, ids=lambda route: route.__name__)
async def test_a_caller_decides_in_its_own_namespace_alone(
    doors: Doors, route: Decide, caller: str
) -> None:
    anyones, anns, one_of_two = (
        await asked(doors),
        await asked(doors, only_ann),
        await asked(doors, both),
    )
    who = CALLERS[caller]
    statuses = [await route(doors, who, approval) for approval in (anyones, anns, one_of_two)]

    votes = who.on_record == "ann" and who.is_proven
    assert ([200, 200, 200] if votes else [200, 403, 403]) == statuses
    assert [who.on_record] == await deciders(doors, anyones)
    assert [["ann"] if votes else []] * 2 == [
        await deciders(doors, one) for one in (anns, one_of_two)
    ]
    # Of a gateway's request without a user, the log has what it changed, and no actor.
    assert {None if who.named else who.on_record} == await acted_on(doors, anyones)


@pytest.mark.parametrize("channel", CHANNELS, ids=lambda channel: channel.__name__)
async def test_a_name_counts_as_the_channel_proves_it(doors: Doors, channel: Channel) -> None:
    anyones, anns = await asked(doors), await asked(doors, only_ann)
    taken = [await channel(doors, "ann", approval) for approval in (anyones, anns)]

    votes = CHANNELS[channel] == "ann"
    assert [True, votes] == taken
    assert [CHANNELS[channel]] == await deciders(doors, anyones)
    assert (["ann"] if votes else []) == await deciders(doors, anns)


@pytest.mark.parametrize("channel", CHANNELS, ids=lambda channel: channel.__name__)
async def test_of_all_who_go_by_one_name_those_that_are_one_person_have_one_vote(
    doors: Doors, channel: Channel
) -> None:
    approval = await asked(
        doors,
        ApprovalPolicy(approvers=Approvers(users=("ann", "key:ann", "service:ann")), quorum=3),
    )
    for caller in CALLERS.values():
        await through_decisions(doors, caller, approval)
    await channel(doors, "ann", await stored(doors, approval))

    assert ["ann", "key:ann", "service:ann"] == sorted(await deciders(doors, approval))


# --- a name of another kind -----------------------------------------------------------------------


IN_DISGUISE = [f"{prefix}ann" for prefix in (*RESERVED, KEY.upper(), f" {KEY}")]


@pytest.mark.parametrize("name", IN_DISGUISE)
@pytest.mark.parametrize("channel", CHANNELS, ids=lambda channel: channel.__name__)
async def test_no_channel_takes_the_name_of_another_kind_of_caller(
    doors: Doors, channel: Channel, name: str
) -> None:
    approval = await asked(
        doors, ApprovalPolicy(approvers=Approvers(users=(name.strip().lower(),)))
    )

    assert not await channel(doors, name, approval)
    assert approval == await stored(doors, approval)


@pytest.mark.parametrize("name", IN_DISGUISE)
async def test_no_credential_and_no_header_names_another_kind_of_caller(
    doors: Doors, name: str
) -> None:
    disguised = (
        Caller(name, lambda _: bearer(jwt_of("approver", user=name))),
        Caller(name, lambda _: bearer(a_service_token("approver", service=name))),
        Caller(name, lambda _: bearer(a_service_token(*ACTS), X_User_ID=name)),
        Caller(name, lambda doors: bearer(doors.keys["desk"], X_User_ID=name)),
        Caller(name, lambda doors: bearer(doors.keys["desk"]), named=name),
        Caller(name, lambda _: {**GATEWAY, "X-User-ID": name}, through_gateway=True),
        Caller(name, lambda _: GATEWAY, named=name, through_gateway=True),
    )
    approval = await asked(
        doors, ApprovalPolicy(approvers=Approvers(users=(name.strip().lower(),)))
    )
    statuses = [await through_decisions(doors, caller, approval) for caller in disguised]

    assert set(statuses) <= {400, 401, 403}
    assert approval == await stored(doors, approval)


# --- what else is done to an approval -------------------------------------------------------------


ACTIONS: Mapping[str, dict[str, Any]] = {
    "claim": {},
    "release": {},
    "remind": {},
    "delegate": {"to": "eve"},
    "extend": {"expiresAt": "2099-01-01T00:00:00Z"},
    "cancel": {"reason": "not needed"},
}


@pytest.mark.parametrize("caller", [name for name, caller in CALLERS.items() if not caller.named])
@pytest.mark.parametrize("action", ACTIONS)
async def test_what_else_a_caller_does_is_on_the_record_in_its_own_namespace(
    doors: Doors, action: str, caller: str
) -> None:
    approval, who = await asked(doors), CALLERS[caller]
    answer = await post(doors, who, f"{approval.id}/{action}", ACTIONS[action])

    assert 200 == answer.status_code, answer.text
    assert who.on_record == (await stored(doors, approval)).history[-1].actor


@pytest.mark.parametrize("action", ["claim", "delegate", "extend"])
@pytest.mark.parametrize("caller", ["a key", "a service"])
async def test_what_is_anns_to_do_is_not_done_by_what_is_called_like_her(
    doors: Doors, action: str, caller: str
) -> None:
    approval = await asked(doors, only_ann)

    assert (
        403
        == (
            await post(doors, CALLERS[caller], f"{approval.id}/{action}", ACTIONS[action])
        ).status_code
    )
    assert approval == await stored(doors, approval)


@pytest.mark.parametrize("name", IN_DISGUISE)
async def test_nothing_is_delegated_to_another_kind_of_caller(doors: Doors, name: str) -> None:
    approval = await asked(doors, only_ann)
    answer = await post(doors, CALLERS["a user"], f"{approval.id}/delegate", {"to": name})

    assert 400 == answer.status_code
    assert re.search("must not begin with", answer.text)
    assert approval == await stored(doors, approval)
