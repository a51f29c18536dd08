"""`orchestrator settings --check`: an exit code for a pipeline."""

from pathlib import Path

import pytest
from click.testing import CliRunner

from deployments.cli.app import cli


def run(monkeypatch: pytest.MonkeyPatch, **environment: str) -> tuple[int, str, str]:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    result = CliRunner().invoke(cli, ["settings", "--check"], obj={})
    return result.exit_code, result.stdout, result.stderr


def test_settings_that_can_work_are_fine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_text("")

    checked = run(monkeypatch, COSMOS_DB_CA_FILE=str(tmp_path / "ca.pem"))

    assert (0, "settings: they can work\n", "") == checked


def test_every_file_that_is_not_there_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    code, out, problems = run(monkeypatch, COSMOS_DB_CA_FILE="/no/ca.pem", JWT_JWKS="/no/keys.json")

    assert (2, "") == (code, out)
    assert "setting cosmos_db.ca_file (COSMOS_DB_CA_FILE) is '/no/ca.pem', and no such" in problems
    assert "setting auth.jwt_jwks (JWT_JWKS) is '/no/keys.json', and no such" in problems


def test_a_url_of_another_form_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RABBITMQ_URL", "http://broker")

    result = CliRunner().invoke(cli, ["settings", "--check"], obj={})

    assert "rabbitmq.url (RABBITMQ_URL) must begin with amqp://" in str(result.exception)
