"""`orchestrator definitions`: what it shows and sets, and one readable line for what it refuses."""

import json
from pathlib import Path

import pytest

from deployments.provision import provision
from tests.support.factories import A_TENANT
from tests.unit.test_cli import Cli, refusal

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
        ("just text", (), "Expected `object`"),
        ("{}", ("--if-version", "7"), "is at version 0"),
    ],
)
async def test_what_cannot_be_meant_is_refused_in_one_line(
    orchestrator: Cli, text: str, options: tuple[str, ...], line: str
) -> None:
    assert line in refusal(orchestrator.run("definitions", "set", "-", *OF_TENANT, *options, stdin=text))
