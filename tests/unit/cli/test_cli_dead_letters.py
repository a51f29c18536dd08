"""`orchestrator dead-letters`: operators see everyone's letters, and act on one or many."""

import asyncio
import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from blocks.contracts.ids import SYSTEM_TENANT
from blocks.contracts.records.dead_letters import DeadLetterRecord
from blocks.dead_letters import letters as dead_letters
from blocks.ports import Message
from blocks.services import open_bus, open_store
from blocks.topology import intake_queue
from deployments.bootstrap.provision import provision
from tests.support.dead_letters import letters
from tests.support.factories import A_TENANT, ANOTHER_TENANT, a_dead_letter, now
from tests.unit.cli.test_cli import Cli, refusal

GOOD = {
    "id": "e-1",
    "type": "integration.opportunity.updated",
    "tenantId": A_TENANT,
    "data": {"opportunityId": "o-1"},
}


@pytest.fixture
def orchestrator(tmp_path: Path) -> Cli:
    cli = Cli(tmp_path / "data")
    asyncio.run(provision(cli.settings))
    return cli


def kept(cli: Cli, **changes: Any) -> DeadLetterRecord:
    async def keep() -> DeadLetterRecord:
        async with open_store(cli.settings) as store:
            return (
                await dead_letters.keep(
                    store, intake_queue(cli.settings).name, a_dead_letter(**changes)
                )
            ).record

    return asyncio.run(keep())


def records(cli: Cli) -> dict[str, DeadLetterRecord]:
    async def look() -> dict[str, DeadLetterRecord]:
        async with open_store(cli.settings) as store:
            return {letter.id: letter for letter in await letters(store, A_TENANT, ANOTHER_TENANT)}

    return asyncio.run(look())


def in_queue(cli: Cli) -> list[Message]:
    async def look() -> list[Message]:
        async with open_bus(cli.settings, "test") as bus:
            return await bus.peek(intake_queue(cli.settings).name)

    return asyncio.run(look())


def test_a_list_shows_the_letters_of_all_tenants_unless_one_is_named(orchestrator: Cli) -> None:
    mine = kept(orchestrator, code="poison", reason="ValueError: boom")
    unowned = kept(orchestrator, code="malformed-json", body=b"{")

    everyone = orchestrator.run("dead-letters", "list")
    of_one = orchestrator.run("dead-letters", "list", "--tenant", A_TENANT)

    assert (mine.id in everyone.stdout, unowned.id in everyone.stdout) == (True, True)
    assert "ValueError: boom" in everyone.stdout
    assert (mine.id in of_one.stdout, unowned.id in of_one.stdout) == (True, False)


def test_a_list_is_filtered_and_comes_as_json(orchestrator: Cli) -> None:
    old = kept(orchestrator, code="poison", rejected_at=now() - timedelta(hours=3))
    kept(orchestrator, code="poison")
    kept(orchestrator)

    run = orchestrator.run(
        "dead-letters", "list", "--code", "poison", "--older-than", "2h", "--json"
    )

    assert [old.id] == [json.loads(line)["id"] for line in run.stdout.splitlines()]


def test_a_letter_is_shown_with_its_body_and_what_was_done(orchestrator: Cli) -> None:
    letter = kept(
        orchestrator, body=b'{"tenantId": "[bold]no markup[/]"}', reason="[red]neither[/]"
    )

    shown = orchestrator.run("dead-letters", "show", letter.id).stdout
    body = orchestrator.run("dead-letters", "show", letter.id, "--body").stdout

    for text in (letter.id, "[red]neither[/]", "[bold]no markup[/]", "the platform's", "refused"):
        assert text in shown
    assert '{"tenantId": "[bold]no markup[/]"}' == body


def test_an_edited_letter_is_replayed_as_it_was_edited(orchestrator: Cli) -> None:
    letter = kept(orchestrator)

    edited = orchestrator.run(
        "dead-letters", "edit", letter.id, "--file", "-", stdin=json.dumps(GOOD)
    )
    replayed = orchestrator.run("dead-letters", "replay", letter.id)

    assert (0, 0) == (edited.returncode, replayed.returncode), edited.stderr + replayed.stderr
    [message] = in_queue(orchestrator)
    assert (letter.message_id, GOOD) == (message.id, json.loads(message.body))
    assert "replayed" == records(orchestrator)[letter.id].status


def test_an_edit_that_does_not_help_is_refused_with_what_is_wrong(orchestrator: Cli) -> None:
    letter = kept(orchestrator)

    run = orchestrator.run(
        "dead-letters", "edit", letter.id, "--file", "-", stdin=json.dumps({**GOOD, "data": {}})
    )
    another = orchestrator.run(
        "dead-letters",
        "edit",
        letter.id,
        "--file",
        "-",
        stdin=json.dumps({**GOOD, "tenantId": ANOTHER_TENANT}),
    )

    assert "opportunityId" in refusal(run)
    assert A_TENANT in refusal(another)
    assert (2, 2) == (run.returncode, another.returncode)


def test_many_are_replayed_by_filter_and_each_has_a_line(orchestrator: Cli) -> None:
    wanted = {kept(orchestrator, code="poison").id for _ in range(3)} | {
        kept(orchestrator, code="poison", body=b"x").id
    }
    kept(orchestrator)

    run = orchestrator.run(
        "dead-letters", "replay", "--all", "--code", "poison", "--rate", "100", "--yes", "--json"
    )

    lines = [json.loads(line) for line in run.stdout.splitlines()]
    assert {(id, "replayed") for id in wanted} == {(line["id"], line["status"]) for line in lines}
    assert 4 == len(in_queue(orchestrator))


def test_many_are_not_touched_without_a_yes(orchestrator: Cli) -> None:
    letter = kept(orchestrator)

    run = orchestrator.run("dead-letters", "discard", "--all", "--reason", "no", stdin="n\n")

    assert (1, "waiting") == (run.returncode, records(orchestrator)[letter.id].status)
    assert "1 dead letters" in run.stderr
    assert "Traceback" not in run.stderr


def test_what_could_not_be_replayed_is_reported_and_the_rest_is_replayed(orchestrator: Cli) -> None:
    cut, whole = kept(orchestrator, body=b"begins", cut_from=300_000), kept(orchestrator)

    run = orchestrator.run(
        "dead-letters", "replay", cut.id, whole.id, "5b0f6a5e-6a0f-5d0b-9f0a-2f5d7c1e8a44"
    )

    assert (1, "error: 2 could not be replayed") == (run.returncode, run.stderr.strip())
    assert "only the beginning was kept" in run.stdout
    assert "no such dead letter" in run.stdout
    assert "replayed" == records(orchestrator)[whole.id].status


def test_a_discarded_letter_says_why(orchestrator: Cli) -> None:
    letter = kept(orchestrator)

    run = orchestrator.run("dead-letters", "discard", letter.id, "--reason", "a test of theirs")

    assert 0 == run.returncode, run.stderr
    discarded = records(orchestrator)[letter.id]
    assert ("discarded", "a test of theirs", "cli") == (
        discarded.status,
        discarded.history[-1].note,
        discarded.history[-1].channel,
    )
    assert SYSTEM_TENANT != discarded.tenant_id


@pytest.mark.parametrize(
    ("arguments", "what"),
    [
        (("replay",), "--all"),
        (("replay", "some-id", "--all"), "--all"),
        (("replay", "some-id", "--code", "poison"), "--all"),
        (("replay", "--all", "--rate", "0"), "--rate"),
        (("discard", "some-id"), "--reason"),
        (("discard", "some-id", "--reason", " "), "--reason"),
        (("list", "--older-than", "yesterday"), "yesterday"),
        (("list", "--tenant", "acme"), "acme"),
    ],
)
def test_what_makes_no_sense_is_refused_in_one_line(
    orchestrator: Cli, arguments: tuple[str, ...], what: str
) -> None:
    run = orchestrator.run("dead-letters", *arguments)

    assert 2 == run.returncode
    assert what in refusal(run)


def test_an_unknown_letter_is_named(orchestrator: Cli) -> None:
    run = orchestrator.run("dead-letters", "show", "no-such-letter")

    assert (1, "error: there is no dead letter no-such-letter") == (run.returncode, refusal(run))
