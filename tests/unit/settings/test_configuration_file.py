"""`ORCHESTRATOR_CONFIG`: what is not understood is named, what is wrong is refused."""

import os
from pathlib import Path

import pytest

from blocks.settings import DEFAULTS, BadSetting, load_settings


def file_of(folder: Path, text: str, name: str = "own.yaml") -> str:
    (folder / name).write_text(text)
    return str(folder / name)


def refusal(folder: Path, text: str) -> str:
    with pytest.raises(BadSetting) as refused:
        load_settings({"ORCHESTRATOR_CONFIG": file_of(folder, text)})
    return str(refused.value)


@pytest.mark.parametrize(
    ("text", "key", "meant"),
    [
        ("sever: {port: 80}", "sever", "server"),
        ("server: {prot: 80}", "server.prot", "server.port"),
        ("cosmos_db: {container: {steps: x}}", "cosmos_db.container", "cosmos_db.containers"),
        (
            "cosmos_db: {containers: {execution: x}}",
            "cosmos_db.containers.execution",
            "cosmos_db.containers.executions",
        ),
        (
            "services: {risk_analytic: {url: x}}",
            "services.risk_analytic",
            "services.risk_analytics",
        ),
        ("services: {auth: {uri: x}}", "services.auth.uri", "services.auth.url"),
        ("metrics: {requires_auth: true}", "metrics.requires_auth", "metrics.require_auth"),
        ("jwt: {secrets: x}", "jwt.secrets", "jwt.secret"),
        ("features: {hitl_aproval: true}", "features.hitl_aproval", "features.hitl_approvals"),
        ("server: {prefetch: 5}", "server.prefetch", "rabbitmq.prefetch"),
        ("notes: x", "notes", None),
        ("1: {2: x}", "1", None),
    ],
)
def test_an_unknown_key_is_refused_with_the_nearest_name(
    tmp_path: Path, text: str, key: str, meant: str | None
) -> None:
    todo = f"did you mean {meant}?" if meant else "`orchestrator settings` lists all"

    assert f"{key} in own.yaml is not a setting: {todo}" == refusal(tmp_path, text)


def test_an_unknown_section_is_refused_and_shows_no_value(tmp_path: Path) -> None:
    words = refusal(tmp_path, "vault: {password: hunter22, more: {token: hunter22}}")

    assert words.startswith("vault in own.yaml is not a setting")
    assert "hunter22" not in words


def test_an_empty_section_sets_nothing(tmp_path: Path) -> None:
    file = file_of(tmp_path, "server: {port: 8080}\nrabbitmq:\n")

    assert 8080 == load_settings({"ORCHESTRATOR_CONFIG": file}).server.port


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("server: {port: eighty}", "setting server.port in own.yaml is 'eighty': expected `int`"),
        ("jwt: {secret: [hunter22]}", "setting jwt.secret in own.yaml is ***: expected `str`"),
        ("rabbitmq: {url: [hunter22]}", "setting rabbitmq.url in own.yaml is ***"),
        ("thresholds: {hitl_risk_min: 7}", "thresholds.hitl_risk_min in own.yaml is 7: expected"),
        ("auth: hunter22", "setting auth in own.yaml is a single value: expected a section"),
        ("jwt: hunter22", "setting jwt in own.yaml is a single value: expected a section"),
        ("services: [hunter22]", "setting services in own.yaml is a single value"),
        ("services: {auth: hunter22}", "setting services.auth in own.yaml is a single value"),
        ("rabbitmq: {url: {a: hunter22}}", "rabbitmq.url in own.yaml is a section: expected a"),
        ("services: {auth: {url: ftp://x}}", "services.auth.url (AUTH_URL) must begin with http"),
        ("services: {auth: {url: 'http://a:hunter22@x'}}", "services.auth.url (AUTH_URL) holds a"),
        ("server: {port: '${PORT'}", "server.port in own.yaml holds a ${…} that cannot be read"),
        ("server: {port: '${PORT:?}'}", "server.port in own.yaml holds a ${…} that cannot be"),
        ("server: {port: '${NO_PORT}'}", "server.port in own.yaml is ${NO_PORT}, and NO_PORT is"),
        (
            "thresholds: {hitl_deal_min: 1,\n hitl_deal_min: 9}",
            "own.yaml has a key twice in line 2, column 2: write it once",
        ),
        ("url: 'hunter22", "own.yaml is not YAML in line 1, column 15"),
        ("rabbitmq: {queue: ''}", "setting rabbitmq.queue in own.yaml is '': expected"),
        ("rabbitmq: {exchange: ''}", "setting rabbitmq.exchange in own.yaml is '': expected"),
        ("cosmos_db: {database_id: ''}", "cosmos_db.database_id in own.yaml is '': expected"),
        ("cosmos_db: {database_id: a/b}", "cosmos_db.database_id in own.yaml is 'a/b': expected"),
        ("jwt: {issuer: ''}", "setting jwt.issuer in own.yaml is '': expected"),
        ("server: &a {port: *a}", "own.yaml is nested too deeply"),
        ("a: " + "[" * 3000 + "]" * 3000, "own.yaml is nested too deeply"),
    ],
)
def test_a_wrong_value_is_an_error_with_its_key_and_without_secrets(
    tmp_path: Path, text: str, words: str
) -> None:
    with pytest.raises(BadSetting) as refused:
        load_settings({"ORCHESTRATOR_CONFIG": file_of(tmp_path, text)})

    assert words in str(refused.value)
    assert "hunter22" not in str(refused.value)


def test_our_own_defaults_are_a_file_like_any(tmp_path: Path) -> None:
    file = file_of(tmp_path, DEFAULTS.read_text())

    assert load_settings({}) == load_settings({"ORCHESTRATOR_CONFIG": file})


def test_a_later_file_is_laid_over_an_earlier_one(tmp_path: Path) -> None:
    base = file_of(tmp_path, "server: {port: '${NOT_SET}', host: '::1'}", "default.yaml")
    above = file_of(tmp_path, "server: {port: 8080}", "production.yaml")

    settings = load_settings({"ORCHESTRATOR_CONFIG": os.pathsep.join((base, above))})

    assert ("::1", 8080) == (settings.server.host, settings.server.port)


def test_a_file_for_this_node_env_that_is_not_named_is_a_warning(tmp_path: Path) -> None:
    base = file_of(tmp_path, "server: {port: 8080}", "default.yaml")
    above = file_of(tmp_path, "server: {port: 9090}", "production.yaml")
    environment = {"ORCHESTRATOR_CONFIG": base, "NODE_ENV": "production"}

    [note] = load_settings(environment).notes
    both = load_settings(environment | {"ORCHESTRATOR_CONFIG": os.pathsep.join((base, above))})

    assert "production.yaml is not read, though NODE_ENV is production" in note.text
    assert (9090, ()) == (both.server.port, both.notes)


def test_a_wrong_variable_is_an_error_with_its_name() -> None:
    with pytest.raises(BadSetting, match=r"setting server\.port \(PORT\) is 'abc'"):
        load_settings({"PORT": "abc"})
