"""A mistyped variable is refused with the name that was meant; other programs' are left alone."""

from pathlib import Path

import pytest

from blocks.settings import BadSetting, load_settings


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("RABITMQ_URL", "RABBITMQ_URL"),
        ("COSMOS_DB_ENDPIONT", "COSMOS_DB_ENDPOINT"),
        ("ORCHESTRATOR_DATADIR", "ORCHESTRATOR_DATA_DIR"),
        ("WORKER_DRAIN_SECOND", "WORKER_DRAIN_SECONDS"),
        ("JWT_SECRETS", "JWT_SECRET"),
        ("JWT_SECRET_FILES", "JWT_SECRET_FILE"),
    ],
)
def test_a_name_that_is_almost_ours_is_refused(name: str, meant: str) -> None:
    with pytest.raises(BadSetting, match=rf"^{name} is set.*almost as {meant};"):
        load_settings({name: "x"})


@pytest.mark.parametrize(
    "name",
    [
        "PATH",
        "HOSTNAME",
        "LOGNAME",
        "SMTP_HOST",
        "RABBITMQ_DEFAULT_PASS",
        "RABBITMQ_SERVICE_PORT",
        "POSTGRES_URL",
        "DATABASE_NAME",
        "ORCHESTRATOR_IMAGE",
        "ORCHESTRATOR_PORT_3051_TCP",
        "PREFECT_SERVER_API_PORT",
        "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT",
        "MIRROR_LEASE_SECONDS",
        "DATABASE_URI",
        "LOGLEVEL",
        "COSMOSDB_KEY",
    ],
)
def test_a_name_of_another_program_is_not(name: str) -> None:
    assert load_settings({name: "7"}) == load_settings(
        {"RECONCILER_LEASE_SECONDS": "7"} if name.startswith("MIRROR") else {}
    )


def test_a_name_beside_the_one_that_it_resembles_is_another_programs(tmp_path: Path) -> None:
    (file := tmp_path / "url").write_text("amqp://broker/")
    for ours in ({"RABBITMQ_URL": "amqp://broker/"}, {"RABBITMQ_URL_FILE": str(file)}):
        settings = load_settings({**ours, "RABBITMQ_URI": "amqp://other/"})

        assert "amqp://broker/" == settings.rabbitmq.url
