"""`orchestrator definitions`: what it shows and sets, and one readable line for what it refuses."""

import json
from pathlib import Path

import click
import pytest

from deployments.bootstrap.provision import provision
from deployments.cli.views.definitions import read_wanted
from tests.support.factories import A_TENANT
from tests.unit.cli.test_cli import Cli, refusal

OF_TENANT = ("--tenant", A_TENANT)


@pytest.fixture
async def orchestrator(tmp_path: Path) -> Cli:
    orchestrator = Cli(tmp_path / "data")
    await provision(orchestrator.settings)
    return orchestrator


async def test_a_definition_is_set_from_yaml_shown_and_taken_back(orchestrator: Cli) -> None:
    wanted = """
        enabled: false
        steps: {forecast: {critical: false, timeoutSeconds: 20}}
        approval: {enabled: true, policy: {approvers: {roles: [vp-sales]}}}
    """

    done = orchestrator.run("definitions", "set", "-", *OF_TENANT, "--as", "ann", stdin=wanted)

    assert 0 == done.returncode, done.stderr
    shown = orchestrator.run("definitions", "show", *OF_TENANT).stdout
    assert done.stdout == shown
    for line in ("by ann", "start nothing", "1 of role vp-sales"):
        assert line in shown
    assert ["forecast", "no", "20", "s"] in [line.split() for line in shown.splitlines()]
    as_json = json.loads(orchestrator.run("definitions", "reset", *OF_TENANT, "--json").stdout)
    assert (2, True, True) == (as_json["version"], as_json["isDefault"], as_json["enabled"])


@pytest.mark.parametrize(
    ("text", "options", "line"),
    [
        ("aproval: {}", (), "unknown field `aproval`"),
        ("approval: {onExpiry: reject}", (), "approval.onExpiry needs expiresAfterSeconds"),
        ("[unclosed", (), "neither YAML nor JSON"),
        (
            "{enabled: true, steps: {}, enabled: false}",
            (),
            'the key "enabled" stands twice in one object',
        ),
        ("just text", (), "Expected `object`"),
        ("{}", ("--if-version", "7"), "is at version 0"),
    ],
)
async def test_what_cannot_be_meant_is_refused_in_one_line(
    orchestrator: Cli, text: str, options: tuple[str, ...], line: str
) -> None:
    assert line in refusal(
        orchestrator.run("definitions", "set", "-", *OF_TENANT, *options, stdin=text)
    )


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (
            '{"approval": {"enabled": true, "enab\\u006ced": false}}',
            'the key "enabled" stands twice',
        ),
        (
            "steps:\n  forecast: {critical: true}\n  forecast: {critical: false}",
            'the key "forecast" stands twice',
        ),
        ("{1: a, 1: b}", "the key 1 stands twice"),
        ("[" * 5000, "nested too deep"),
    ],
)
def test_a_file_that_another_reader_reads_otherwise_is_refused(text: str, problem: str) -> None:
    with pytest.raises(click.BadParameter, match=problem):
        read_wanted(text.encode())


def test_a_file_may_take_over_what_stands_above_and_change_it() -> None:
    wanted = (
        "steps: {forecast: &same {critical: true, timeoutSeconds: 5}, risk_scoring: {<<: *same, "
        "critical: false}}"
    )

    assert read_wanted(wanted.encode()).steps["risk_scoring"].critical is False
