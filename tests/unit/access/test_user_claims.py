"""Which claims of a token name its user is a setting; whatever names one person has, that person
is one.
"""

from collections.abc import AsyncIterator, Mapping
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.access.user_claims import UserClaims
from blocks.approvals import people
from blocks.approvals.decisions import AlreadyVoted, NotAnApprover, SelfApproval, Vote, decided
from blocks.contracts.approvals import ApprovalPolicy, Approvers
from blocks.contracts.records import ApprovalRecord
from blocks.settings import load_settings
from tests.support.api.api_client import Api, an_api
from tests.support.api.approval_links import SECRET
from tests.support.api.approval_links import a_token as a_link
from tests.support.api.credentials import a_service_token, a_token, as_user
from tests.support.factories import A_TENANT, an_approval, now

APPROVALS = "/api/v1/hitl/approvals"
ANN, MAIL = "0d9e1f52-6c41-4a6e-9f0b-3a2f6a1c0001", "ann@example.com"
DEFAULT = UserClaims.of(load_settings({}).auth)
WITH_MAIL = UserClaims(DEFAULT.ids, ("email",))
MAIL_FIRST = UserClaims(("email", "sub"), ("sub",))


# --- what a token names ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("users", "stated", "user", "others"),
    [
        (DEFAULT, {"sub": "ann", "userId": "u", "id": "i"}, "ann", set()),
        (DEFAULT, {"userId": "u", "id": "i"}, "u", set()),
        (DEFAULT, {"sub": "", "id": "i"}, "i", set()),
        (DEFAULT, {"sub": "ann", "id": 7}, "ann", set()),
        (DEFAULT, {"email": MAIL}, "", set()),
        (DEFAULT, {"sub": "ann", "email": MAIL}, "ann", set()),
        (WITH_MAIL, {"sub": "ann", "email": MAIL}, "ann", {MAIL}),
        (WITH_MAIL, {"sub": "ann", "email": " Ann@Example.COM "}, "ann", {MAIL}),
        (WITH_MAIL, {"sub": "ann", "email": MAIL, "email_verified": True}, "ann", {MAIL}),
        (WITH_MAIL, {"sub": "ann", "email": MAIL, "email_verified": "true"}, "ann", {MAIL}),
        (WITH_MAIL, {"sub": "ann", "email": MAIL, "email_verified": False}, "ann", set()),
        (WITH_MAIL, {"sub": "ann", "email": MAIL, "email_verified": "false"}, "ann", set()),
        (WITH_MAIL, {"sub": "ann", "email": MAIL, "email_verified": None}, "ann", set()),
        (WITH_MAIL, {"sub": "ann", "email": "bob"}, "ann", set()),
        (WITH_MAIL, {"sub": "ann", "email": "key:bob@x"}, "ann", set()),
        (WITH_MAIL, {"sub": "ann", "email": ""}, "ann", set()),
        (WITH_MAIL, {"sub": "ann", "email": [MAIL]}, "ann", set()),
        (WITH_MAIL, {"sub": "ann", "email": 7}, "ann", set()),
        (MAIL_FIRST, {"sub": "ann", "email": MAIL}, MAIL, {"ann"}),
        (MAIL_FIRST, {"sub": "ann", "email": MAIL, "email_verified": False}, "ann", {"ann"}),
    ],
)
def test_the_first_claim_is_the_user_and_the_others_are_further_names(
    users: UserClaims, stated: dict[str, Any], user: str, others: set[str]
) -> None:
    assert (user, others) == (users.user_in(stated), set(users.other_names_in(stated)))


TEXTS = st.text(st.sampled_from("aA@ \u0130:\u00dfkey"), max_size=8)


@given(email=TEXTS, verified=st.sampled_from([None, True, False, "true", "no"]))
def test_what_a_token_holds_is_a_name_in_its_one_spelling_or_none(
    email: str, verified: object
) -> None:
    for name in WITH_MAIL.other_names_in({"email": email, "email_verified": verified}):
        assert verified in (True, "true")
        assert "@" in name
        assert name == name.strip() == name.casefold()
        assert not name.startswith(("key:", "service:", "cli:", "claimed:"))


# --- one person -----------------------------------------------------------------------------------


def vote(actor: str, *others: str, **changes: Any) -> Vote:
    return Vote(
        actor=actor, outcome="approved", channel="api", other_names=frozenset(others), **changes
    )


TWO = ApprovalPolicy(quorum=2)


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (vote("ann", MAIL), vote(MAIL)),
        (vote(MAIL), vote("ann", MAIL)),
        (vote("ann", MAIL), vote("ann")),
        (vote("ann", MAIL, "a2"), vote("a2")),
        (vote("ann", MAIL), vote("a2", MAIL)),
        (vote("ann", MAIL), vote("a2", "ANN@example.com")),
    ],
)
def test_one_person_has_one_vote_under_whatever_name(first: Vote, second: Vote) -> None:
    once = decided(an_approval(policy=TWO), first, now())

    with pytest.raises(AlreadyVoted):
        decided(once, second, now())
    assert [first.actor] == [one.actor for one in once.decisions]


@pytest.mark.parametrize("named", ["ann", MAIL, "Ann@Example.com"])
def test_a_policy_may_name_any_of_a_persons_names(named: str) -> None:
    approval = an_approval(policy=ApprovalPolicy(approvers=Approvers(users=(named,))))

    assert "ann" == decided(approval, vote("ann", MAIL), now()).decided_by
    with pytest.raises(NotAnApprover):
        decided(approval, vote("bob", "bob@example.com"), now())


@pytest.mark.parametrize("requester", ["ann", MAIL])
def test_who_asked_decides_under_none_of_their_names(requester: str) -> None:
    with pytest.raises(SelfApproval):
        decided(an_approval(requested_by=requester), vote("ann", MAIL), now())


NAMES = st.sampled_from(["a", "b", "c", "d", "a@x", "b@x", "c@x"])


@given(st.lists(st.tuples(NAMES, st.frozensets(NAMES, max_size=3)), max_size=6))
def test_people_are_never_more_than_their_names_and_names_are_shared_both_ways(
    tokens: list[tuple[str, frozenset[str]]],
) -> None:
    approval = an_approval()
    for actor, others in tokens:
        approval = people.knowing(approval, actor, others)

    for actor, others in tokens:
        for other in others:
            assert people.names_of(approval, actor) == people.names_of(approval, other)
    everyone = {actor for actor, _ in tokens}
    assert people.how_many(approval, everyone) <= len(everyone)
    assert people.how_many(approval, [*everyone, *everyone]) == people.how_many(approval, everyone)


# --- over HTTP ------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
async def api(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Api]:
    async with an_api(
        tmp_path_factory.mktemp("claims"), JWT_USER_ALIASES="email", APPROVAL_LINK_SECRET=SECRET
    ) as api:
        yield api


def token_of(user: str = ANN, **claims: Any) -> Mapping[str, str]:
    return as_user(a_token("approver", "operator", user=user, **claims))


BY_TOKEN = token_of(email="Ann@Example.com")
DESK = as_user(a_service_token("approver", "act-for-users", service="desk"))


async def approve(
    api: Api, approval: ApprovalRecord, headers: Mapping[str, str], decided_by: str
) -> httpx.Response:
    path = f"{APPROVALS}/{approval.id}/approve"
    return await api.client.post(path, json={"decidedBy": decided_by}, headers=headers)


async def asked(api: Api, **changes: Any) -> ApprovalRecord:
    await api.holds(approval := an_approval(execution_id=None, **changes))
    return approval


@pytest.mark.parametrize("stated", [ANN, MAIL, "ANN@example.com", f" {MAIL} "])
@pytest.mark.parametrize("named", [None, ANN, MAIL])
async def test_a_body_may_state_any_name_of_the_token_and_the_record_has_one(
    api: Api, stated: str, named: str | None
) -> None:
    users = (named,) if named else ()
    approval = await asked(api, policy=ApprovalPolicy(approvers=Approvers(users=users)))

    answered = await approve(api, approval, BY_TOKEN, stated)

    assert (200, ANN) == (answered.status_code, answered.json().get("decidedBy"))
    assert MAIL not in answered.text.casefold() or named == MAIL


@pytest.mark.parametrize(
    ("headers", "stated"),
    [
        (BY_TOKEN, "bob@example.com"),
        (token_of(), MAIL),
        (token_of(email=MAIL, email_verified=False), MAIL),
        (token_of(email="ann"), "ann"),
        ({**BY_TOKEN, "X-User-ID": "bob@example.com"}, MAIL),
    ],
)
async def test_no_other_name_is_the_tokens(
    api: Api, headers: Mapping[str, str], stated: str
) -> None:
    answered = await approve(api, await asked(api), headers, stated)

    assert 403 == answered.status_code


async def test_a_token_whose_signature_is_wrong_names_no_one(api: Api) -> None:
    forged = token_of(email=MAIL, secret="another secret of more than thirty-two bytes")

    assert 401 == (await approve(api, await asked(api), forged, MAIL)).status_code


async def test_the_same_person_has_one_vote_through_every_channel(api: Api) -> None:
    approval = await asked(api, policy=TWO)
    assert "pending" == (await approve(api, approval, BY_TOKEN, MAIL)).json()["status"]

    again = [
        await approve(api, approval, BY_TOKEN, ANN),
        await approve(api, approval, DESK, MAIL),
        await approve(api, approval, {**DESK, "X-User-ID": MAIL}, MAIL),
        await api.client.post(
            f"/api/v1/hitl/links/{a_link(approval, recipient=MAIL)}", json={"outcome": "approve"}
        ),
    ]

    assert [(409, "HITL_ALREADY_VOTED")] * 4 == [
        (one.status_code, one.json()["error"]["code"]) for one in again
    ]
    assert "approved" == (await approve(api, approval, DESK, "bob")).json()["status"]


async def test_who_asked_for_it_or_handed_it_on_does_not_come_back_by_another_name(
    api: Api,
) -> None:
    created = await api.client.post(APPROVALS, json={"subject": "a deal"}, headers=BY_TOKEN)
    own = ApprovalRecord(
        id=created.json()["id"], tenant_id=A_TENANT, created_at=now(), requested_at=now()
    )
    assert "HITL_SELF_APPROVAL" == (await approve(api, own, DESK, MAIL)).json()["error"]["code"]

    handed = await asked(api)
    path = f"{APPROVALS}/{handed.id}/delegate"
    assert 200 == (await api.client.post(path, json={"to": "bob"}, headers=BY_TOKEN)).status_code
    assert (
        "HITL_NOT_AN_APPROVER" == ((await approve(api, handed, DESK, MAIL)).json()["error"]["code"])
    )


async def test_a_link_to_oneself_and_ones_own_list_go_by_any_name(api: Api) -> None:
    approval = await asked(api, policy=ApprovalPolicy(approvers=Approvers(users=(MAIL,))))
    made = await api.client.post(
        f"{APPROVALS}/{approval.id}/links", json={"recipient": MAIL}, headers=BY_TOKEN
    )
    mine = await api.client.get(f"{APPROVALS}?mine=true&limit=100", headers=BY_TOKEN)

    assert 201 == made.status_code
    assert approval.id in {one["id"] for one in mine.json()["items"]}
