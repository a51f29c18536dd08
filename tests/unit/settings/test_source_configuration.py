"""The configuration file of the orchestrator that this one replaces, given to this one."""

from pathlib import Path
from typing import Any

import pytest

from blocks.contracts.events import CONSUMED
from blocks.contracts.records.base import CONTAINERS
from blocks.settings import BadSetting, Settings, load_settings
from blocks.settings.containers import named_containers

FILE = Path(__file__).with_name("source_configuration.yaml")
SECRET, TOKEN = "s" * 40, "metrics-token"
ENVIRONMENT = {
    "ORCHESTRATOR_CONFIG": str(FILE),
    "COSMOS_DB_ENDPOINT": "https://records.example:443/",
    "COSMOS_DB_KEY": "c2VjcmV0",
    "RABBITMQ_URL": "amqp://user:hunter22@broker:5672/",
    "JWT_SECRET": SECRET,
    "METRICS_BEARER_TOKEN": TOKEN,
}


@pytest.fixture(scope="module")
def settings() -> Settings:
    return load_settings(ENVIRONMENT)


def load_text(tmp_path: Path, text: str, **environment: str) -> Settings:
    file = tmp_path / "own.yaml"
    file.write_text(text)
    return load_settings({"ORCHESTRATOR_CONFIG": str(file), **environment})


def test_every_key_of_the_file_is_understood(settings: Settings) -> None:
    assert [] == [note.text for note in settings.notes if note.level == "warning"]


@pytest.mark.parametrize(
    ("section", "expected"),
    [
        ("module", {"version": "1.4.0"}),
        ("server", {"host": "0.0.0.0", "port": 3051}),
        ("metrics", {"path": "/internal/metrics", "bearer_token": TOKEN, "on_api_port": True}),
        (
            "cosmos_db",
            {
                "endpoint": "https://records.example:443/",
                "key": "c2VjcmV0",
                "database_id": "castiel",
            },
        ),
        (
            "auth",
            {"jwt_secret": SECRET, "jwt_issuer": "platform", "jwt_audience": "orchestrator"},
        ),
        (
            "rabbitmq",
            {
                "url": "amqp://user:hunter22@broker:5672/",
                "exchange": "coder_events",
                "queue": "workflow_orchestrator_service",
                "batch_jobs_queue": "bi_batch_jobs",
            },
        ),
        ("batch_jobs", {"enabled": True, "outcome_sync_cron": "30 1 * * *"}),
        ("feature_flags", {"hitl_approvals": True}),
        ("thresholds", {"hitl_risk_min": 0.75, "hitl_deal_min": 500_000}),
    ],
)
def test_each_key_has_its_effect(
    settings: Settings, section: str, expected: dict[str, Any]
) -> None:
    ours = getattr(settings, section)

    assert expected == {name: getattr(ours, name) for name in expected}


def test_the_containers_have_the_names_of_the_file(settings: Settings) -> None:
    names = named_containers(settings.cosmos_db.containers)

    assert {name: name for name in CONTAINERS} | {"workflow_executions": "acme_executions"} == names


def test_the_services_are_known_by_their_urls(settings: Settings) -> None:
    urls = settings.services.urls()

    assert 9 == len(urls)
    assert "http://localhost:3048" == urls["risk_analytics"]


def test_what_sets_nothing_here_is_named_with_the_reason(settings: Settings) -> None:
    notes = " / ".join(note.text for note in settings.notes)

    for part in (
        "application_insights.connection_string in source_configuration.yaml has no effect: traces",
        "jwt.expiration in source_configuration.yaml has no effect: no tokens are issued here",
        "bound to workflow_orchestrator_service besides: workflow.job.completed",
        "metrics.require_auth: /metrics is open on the API's port with the token",
    ):
        assert part in notes
    assert SECRET not in notes


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({"PORT": "8080"}, ("server", "port", 8080)),
        ({"HITL_RISK_MIN": "0.9"}, ("thresholds", "hitl_risk_min", 0.9)),
        ({"HITL_APPROVALS_ENABLED": "false"}, ("feature_flags", "hitl_approvals", False)),
        ({"METRICS_ON_API_PORT": "false"}, ("metrics", "on_api_port", False)),
    ],
)
def test_its_placeholders_are_filled_from_the_environment(
    environment: dict[str, str], expected: tuple[str, str, object]
) -> None:
    section, name, value = expected

    assert value == getattr(getattr(load_settings(ENVIRONMENT | environment), section), name)


@pytest.mark.parametrize(
    "variable", ["COSMOS_DB_ENDPOINT", "COSMOS_DB_KEY", "RABBITMQ_URL", "JWT_SECRET"]
)
def test_a_placeholder_without_default_whose_variable_is_not_set_is_an_error(variable: str) -> None:
    environment = {name: value for name, value in ENVIRONMENT.items() if name != variable}

    with pytest.raises(BadSetting, match=rf"\$\{{{variable}\}}, and {variable} is not set: set it"):
        load_settings(environment)


def test_a_placeholder_of_a_key_without_effect_needs_no_value(tmp_path: Path) -> None:
    text = "application_insights: {connection_string: '${APPLICATIONINSIGHTS_CONNECTION_STRING}'}"

    assert [note.level for note in load_text(tmp_path, text).notes] == ["info"]


# --- metrics --------------------------------------------------------------------------------------


def test_a_token_that_is_required_and_not_set_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(BadSetting, match=r"metrics\.require_auth is true.*METRICS_BEARER_TOKEN"):
        load_text(tmp_path, "metrics: {require_auth: true}")


def test_a_token_that_is_not_required_is_asked_for_all_the_same(tmp_path: Path) -> None:
    settings = load_text(
        tmp_path, "metrics: {require_auth: false, path: /m}", METRICS_BEARER_TOKEN="t"
    )

    assert ("t", False) == (settings.metrics.bearer_token, settings.metrics.on_api_port)
    assert "metrics.bearer_token is set and required" in settings.notes[0].text


@pytest.mark.parametrize("value", ["maybe", "''", "[]"])
def test_a_flag_that_is_neither_true_nor_false_is_an_error(tmp_path: Path, value: str) -> None:
    for key in ("metrics: {require_auth: ", "features: {hitl_approvals: "):
        with pytest.raises(BadSetting, match=r"require_auth is|hitl_approvals in own.yaml is"):
            load_text(tmp_path, f"{key}{value}}}")


# --- queues ---------------------------------------------------------------------------------------


def test_a_binding_that_nothing_here_consumes_is_a_warning_with_ours(tmp_path: Path) -> None:
    text = "rabbitmq: {bindings: [shard.updated, opportunity.updated]}"

    [note] = load_text(tmp_path, text).notes

    assert "warning" == note.level
    assert "opportunity.updated is not bound to workflow_orchestrator_service" in note.text
    assert note.text.endswith(f"bound are {', '.join(CONSUMED)}")


@pytest.mark.parametrize("bindings", ["shard.updated", "[1]", "[{key: shard.updated}]"])
def test_bindings_that_are_no_list_of_keys_are_an_error(tmp_path: Path, bindings: str) -> None:
    with pytest.raises(BadSetting, match=r"rabbitmq\.bindings: expected a list of routing keys"):
        load_text(tmp_path, f"rabbitmq: {{bindings: {bindings}}}")


def test_the_batch_workers_queue_is_never_the_listeners(tmp_path: Path) -> None:
    settings = load_text(tmp_path, "rabbitmq: {queue: bi_batch_jobs}")

    assert ("workflow_orchestrator_service", "bi_batch_jobs") == (
        settings.rabbitmq.queue,
        settings.rabbitmq.batch_jobs_queue,
    )
    assert ["warning"] == [note.level for note in settings.notes]


def test_one_queue_for_two_kinds_of_readers_is_an_error() -> None:
    with pytest.raises(BadSetting, match=r"RABBITMQ_QUEUE.*name bi_batch_jobs twice"):
        load_settings({"RABBITMQ_QUEUE": "bi_batch_jobs"})


def test_one_container_for_two_kinds_of_records_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(BadSetting, match=r"cosmos_db.containers name workflow_steps twice"):
        load_text(tmp_path, "cosmos_db: {containers: {executions: workflow_steps}}")


def test_two_values_for_one_setting_are_an_error(tmp_path: Path) -> None:
    text = "features: {hitl_approvals: true}\nfeature_flags: {hitl_approvals: false}"

    with pytest.raises(BadSetting, match=r"features.hitl_approvals .*feature_flags.hitl"):
        load_text(tmp_path, text)
