"""`orchestrator keys`: made once, listed without secrets, revoked; and the key of `orchestrator
up`.
"""

import asyncio
import json
import re
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from blocks.security import api_keys
from blocks.services import open_store
from blocks.settings import Settings, load_settings
from deployments.cli.app import cli
from deployments.local.development_key import DEMO_TENANT, development_key
from tests.support.factories import A_TENANT, ANOTHER_TENANT

KEY = re.compile(r"^key      (wfo_([0-9a-f]{12})_[\w-]{43})$", re.MULTILINE)


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ORCHESTRATOR_DATA_DIR", str(tmp_path))


def run(*arguments: str, tenant: str = A_TENANT) -> Result:
    return CliRunner().invoke(cli, ["keys", *arguments, "--tenant", tenant], obj={})


def made(*arguments: str) -> tuple[str, str]:
    """The key and its prefix."""
    found = KEY.search(run("create", "--name", "billing", "--role", "viewer", *arguments).output)
    assert found
    return found[1], found[2]


def test_a_key_is_shown_when_it_is_made_and_never_again() -> None:
    key, prefix = made("--role", "approver", "--acts-for-users", "--days", "7")

    table, lines = run("list").output, run("list", "--json").output

    assert re.search(rf"^{prefix} +billing +live +approver, viewer", table, re.MULTILINE)
    [listed] = [json.loads(line) for line in lines.splitlines()]
    assert (prefix, ["approver", "viewer"], True) == (
        listed["prefix"],
        listed["roles"],
        listed["actsForUsers"],
    )
    assert key.split("_", 2)[2] not in table + lines
    assert "digest" not in listed


def test_a_revoked_key_is_listed_as_such() -> None:
    _, prefix = made()

    assert f"key {prefix} is revoked\n" == run("revoke", prefix).output
    assert re.search(rf"^{prefix} +billing +revoked", run("list").output, re.MULTILINE)


def test_another_tenants_key_is_not_there() -> None:
    _, prefix = made()

    assert "no keys\n" == run("list", tenant=ANOTHER_TENANT).output
    refused = run("revoke", prefix, tenant=ANOTHER_TENANT)
    assert f"tenant {ANOTHER_TENANT} has no key {prefix}" == str(refused.exception)


def test_a_third_key_of_a_name_is_refused() -> None:
    made()
    made()

    assert "2 keys named billing are live" in str(
        run("create", "--name", "billing", "--role", "viewer").exception
    )


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--name", "a b", "--role", "viewer"], "letters, digits"),
        (["--name", "billing"], "Missing option '--role'"),
        (["--name", "billing", "--role", "boss"], "'boss' is not one of"),
        (["--name", "billing", "--role", "viewer", "--days", "0"], "--days"),
    ],
)
def test_what_cannot_be_a_key_is_refused_in_one_line(arguments: list[str], words: str) -> None:
    refused = run("create", *arguments)

    assert 2 == refused.exit_code
    assert words in refused.output


# --- the key of `orchestrator up` -----------------------------------------------------------------


def test_the_development_key_stays_the_same_while_it_is_good(tmp_path: Path) -> None:
    settings = load_settings({"ORCHESTRATOR_DATA_DIR": str(tmp_path)})
    first = key_of(settings)
    assert (first, 0o600) == (
        key_of(settings),
        (tmp_path / "development-key").stat().st_mode & 0o777,
    )

    (tmp_path / "development-key").write_text("nonsense")
    second = key_of(settings)

    assert first != second
    [kept] = asyncio.run(keys_of_the_demo(settings))
    assert second
    assert kept == second.split("_")[1]


@pytest.mark.parametrize(
    "environment",
    [
        {"AUTH_MODE": "gateway"},
        {"AUTH_MODE": "jwt", "JWT_SECRET": "s" * 32},
        {"COSMOS_DB_ENDPOINT": "https://account.documents.example", "COSMOS_DB_KEY": "key"},
    ],
)
def test_there_is_no_development_key_but_on_a_laptop(
    tmp_path: Path, environment: dict[str, str]
) -> None:
    assert key_of(load_settings({"ORCHESTRATOR_DATA_DIR": str(tmp_path), **environment})) is None


def key_of(settings: Settings) -> str | None:
    file = asyncio.run(development_key(settings))
    return file.read_text().strip() if file else None


async def keys_of_the_demo(settings: Settings) -> list[str]:
    async with open_store(settings) as store:
        return [key.prefix for key in await api_keys.keys_of(store, DEMO_TENANT)]
