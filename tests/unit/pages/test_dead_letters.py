"""`/dead-letters`: what was refused, mended and replayed without a script."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from blocks.contracts.records.dead_letters import DeadLetterRecord
from blocks.dead_letters import letters
from blocks.services import open_bus
from blocks.settings import load_settings
from blocks.topology import intake_queue, topology
from tests.support.api.api_client import Api, an_api
from tests.support.factories import A_TENANT, ANOTHER_TENANT, a_dead_letter, new_id
from tests.support.pages.visitor import Visitor, signed_in

SETTINGS = load_settings({})
QUEUE = intake_queue(SETTINGS).name
HOSTILE = "<script>alert(1)</script>"
AN_EVENT = {
    "id": "e-1",
    "type": "integration.opportunity.updated",
    "tenantId": A_TENANT,
    "data": {"opportunityId": "o-1"},
}


@pytest.fixture
async def api(tmp_path: Path) -> AsyncIterator[Api]:
    async with an_api(tmp_path) as api:
        environment = {"ORCHESTRATOR_DATA_DIR": str(tmp_path)}
        async with open_bus(load_settings(environment), "test") as bus:
            await bus.declare(*topology(SETTINGS))
        yield api


@pytest.fixture
async def ann(api: Api) -> AsyncIterator[Visitor]:
    async with signed_in(api.app, "admin", user="ann") as visitor:
        yield visitor


async def kept(api: Api, **changes: Any) -> DeadLetterRecord:
    return (await letters.keep(api.store, QUEUE, a_dead_letter(**changes))).record


async def read(api: Api, letter: DeadLetterRecord) -> DeadLetterRecord:
    return (await letters.read(api.store, letter.tenant_id, letter.id)).record


async def test_it_lists_what_waits_with_the_reason(api: Api, ann: Visitor) -> None:
    await kept(api, code="schema-invalid", reason=f"bad {HOSTILE}")

    shown = await ann.open("/dead-letters")

    assert "order.placed" in shown.text
    assert "schema-invalid" in shown.text
    assert HOSTILE in shown.text
    assert HOSTILE not in shown.html


async def test_without_any_it_says_so(ann: Visitor) -> None:
    assert "Nothing was refused" in (await ann.open("/dead-letters")).text


async def test_filters_narrow_the_list(api: Api, ann: Visitor) -> None:
    await kept(api, code="schema-invalid")
    await kept(api, code="handler-failed")

    shown = await ann.open("/dead-letters?status=waiting&code=handler-failed&type=")

    assert "handler-failed" in shown.text
    assert "schema-invalid" not in shown.text


async def test_another_tenants_does_not_show(api: Api, ann: Visitor) -> None:
    foreign = {"id": new_id(), "type": "of.another", "tenantId": ANOTHER_TENANT, "data": {}}
    letter = await kept(api, body=msgspec.json.encode(foreign))
    assert letter.tenant_id == ANOTHER_TENANT

    assert "of.another" not in (await ann.open("/dead-letters?status=all")).text
    assert (await ann.open(f"/dead-letters/{letter.id}")).status == 404


async def test_a_letter_is_mended_and_replayed(api: Api, ann: Visitor) -> None:
    letter = await kept(api)
    await ann.open(f"/dead-letters/{letter.id}")

    event = msgspec.json.encode(AN_EVENT).decode()
    shown = await ann.send(f"/dead-letters/{letter.id}/edit", event=event, then="replay")

    assert "Saved, and back in its queue." in shown.text
    now = await read(api, letter)
    assert (now.status, now.event_type) == ("replayed", "integration.opportunity.updated")
    acts = [(one.what, one.actor, one.channel) for one in now.history]
    assert acts[1:3] == [("edited", "ann", "page"), ("replaying", "ann", "page")]


async def test_what_would_be_refused_again_is_not_saved(api: Api, ann: Visitor) -> None:
    letter = await kept(api)
    await ann.open(f"/dead-letters/{letter.id}")

    shown = await ann.send(f"/dead-letters/{letter.id}/edit", event='{"type": "x"')
    assert shown.status == 400
    assert "is not JSON" in shown.text
    assert '{"type": "x"' in shown.text  # what was typed is kept

    foreign = msgspec.json.encode(AN_EVENT | {"tenantId": ANOTHER_TENANT}).decode()
    shown = await ann.send(f"/dead-letters/{letter.id}/edit", event=foreign)
    assert "the tenant of this letter" in shown.text
    assert (await read(api, letter)).version == letter.version


async def test_a_stale_page_changes_nothing(api: Api, ann: Visitor) -> None:
    letter = await kept(api)
    shown = await ann.open(f"/dead-letters/{letter.id}")
    old = shown.form(f"/dead-letters/{letter.id}/discard") | {"reason": ["late"]}
    await ann.send(f"/dead-letters/{letter.id}/replay")

    refused = await ann.client.post(f"/dead-letters/{letter.id}/discard", data=old)

    assert refused.status_code == 412
    assert (await read(api, letter)).status == "replayed"


async def test_a_letter_is_discarded_with_a_reason(api: Api, ann: Visitor) -> None:
    letter = await kept(api)
    await ann.open(f"/dead-letters/{letter.id}")
    assert (await ann.send(f"/dead-letters/{letter.id}/discard", reason=" ")).status == 400
    await ann.open(f"/dead-letters/{letter.id}")

    shown = await ann.send(f"/dead-letters/{letter.id}/discard", reason="a test of theirs")

    assert "discarded by ann" in shown.text
    assert "a test of theirs" in shown.text
    assert (await read(api, letter)).status == "discarded"


async def test_all_that_wait_are_replayed(api: Api, ann: Visitor) -> None:
    for _ in range(2):
        await kept(api)
    await ann.open("/dead-letters")

    shown = await ann.send("/dead-letters/replay")

    assert "2 are being replayed" in shown.text


async def test_an_operator_sees_the_list_alone(api: Api) -> None:
    letter = await kept(api)
    async with signed_in(api.app, "operator") as visitor:
        shown = await visitor.open("/dead-letters")
        assert f"/dead-letters/{letter.id}" not in shown.links()
        assert "Replay all" not in shown.text
        assert (await visitor.open(f"/dead-letters/{letter.id}")).status == 403


async def test_a_viewer_sees_none(api: Api) -> None:
    async with signed_in(api.app, "viewer") as visitor:
        assert (await visitor.open("/dead-letters")).status == 403
        assert "/dead-letters" not in (await visitor.open("/inbox")).links()
