"""Naming who decides during an absence, and ending it, without a script."""

from datetime import timedelta

import pytest

from blocks.contracts import ids
from blocks.contracts.approvals import ApprovalPolicy, Approvers
from blocks.contracts.records import StandInRecord
from blocks.ports import NotFound
from tests.support.api.api_client import Api
from tests.support.factories import A_TENANT, ANOTHER_TENANT, a_stand_in, an_approval, now
from tests.support.pages.visitor import Visitor, signed_in

TODAY = f"{now():%Y-%m-%d}"
NEXT_WEEK = f"{now() + timedelta(days=7):%Y-%m-%d}"
ANNS = ids.stand_in_id(A_TENANT, "ann")


async def test_what_waits_for_a_person_waits_for_their_stand_in(api: Api, ann: Visitor) -> None:
    anns = ApprovalPolicy(approvers=Approvers(users=("ann",)))
    await api.holds(an_approval(subject="Acme", policy=anns, execution_id=None))
    await ann.open("/stand-ins")

    shown = await ann.send("/stand-ins", standIn="bob", **{"from": TODAY, "to": NEXT_WEEK})

    assert "bob decides for you." in shown.text
    async with signed_in(api.app, "approver", user="bob") as bob:
        assert "Acme" in (await bob.open("/inbox")).text

    await ann.open("/stand-ins")
    shown = await ann.send(f"/stand-ins/{ANNS}/end")

    assert "Ended" in shown.text
    with pytest.raises(NotFound):
        await api.store.read(A_TENANT, StandInRecord, ANNS)


@pytest.mark.parametrize(
    ("fields", "problem"),
    [
        ({"standIn": "ann", "to": NEXT_WEEK}, "Who decides must be another person"),
        ({"standIn": "", "to": NEXT_WEEK}, "Who decides"),
        ({"standIn": "bob"}, "To must be given"),
        ({"standIn": "bob", "to": "soon"}, "To must be a day"),
        ({"standIn": "bob", "to": "2020-01-01"}, "To must be in the future"),
        ({"standIn": "bob", "to": "2198-12-31"}, "To must be at most 90 days"),
        ({"standIn": "bob", "to": "2199-12-31"}, "To must be a day"),
        ({"standIn": "bob", "from": "9999-12-31", "to": NEXT_WEEK}, "From must be a day"),
    ],
)
async def test_what_is_wrong_is_said_and_what_was_typed_stays(
    ann: Visitor, fields: dict[str, str | list[str]], problem: str
) -> None:
    await ann.open("/stand-ins")

    shown = await ann.send("/stand-ins", **fields)

    assert 400 == shown.status
    assert problem in shown.text
    typed = next(tag for name, tag in shown.tags if tag.get("id") == "standIn")
    assert fields["standIn"] == typed["value"]


async def test_a_person_has_one_at_a_time(api: Api, ann: Visitor) -> None:
    await api.holds(a_stand_in(id=ANNS, person="ann", stand_in="bob"))
    await ann.open("/stand-ins")

    assert 409 == (await ann.send("/stand-ins", standIn="cid", to=NEXT_WEEK)).status


async def test_only_the_person_or_an_admin_ends_it(api: Api, ann: Visitor) -> None:
    bobs, foreign = (
        a_stand_in(person="bob", stand_in="cid"),
        a_stand_in(person="ann", stand_in="cid", tenant_id=ANOTHER_TENANT),
    )
    await api.holds(bobs, foreign)
    form = (await ann.open("/stand-ins")).form("/stand-ins")

    for one, status in ((bobs, 403), (foreign, 404)):
        answer = await ann.client.post(f"/stand-ins/{one.id}/end", data={**form, "version": 1})
        assert status == answer.status_code
    async with signed_in(api.app, "admin", user="ada") as ada:
        await ada.open("/stand-ins")
        assert "Ended" in (await ada.send(f"/stand-ins/{bobs.id}/end")).text


async def test_a_viewer_sees_them_and_names_none(api: Api) -> None:
    async with signed_in(api.app, "viewer") as visitor:
        shown = await visitor.open("/stand-ins")

        assert (200, False) == (shown.status, "/stand-ins" in shown.forms)
