"""docs/settings.md and `default.yaml` say what every setting is."""

import pytest

from blocks.settings import BadSetting, load_settings
from blocks.settings.environment.names import secret_variables
from blocks.settings.environment.table import described
from blocks.settings.keys import setting_keys


def test_every_setting_is_described() -> None:
    assert set(setting_keys()) == {one.key for one in described()}
    assert [] == [one.name for one in described() if not one.meaning], "a comment in default.yaml"


def test_a_unit_follows_from_the_name_and_the_type() -> None:
    units = {one.variable: one.unit for one in described()}

    assert ("seconds", "cron", "true or false", "text or json", "number", "port") == (
        units["WORKER_DRAIN_SECONDS"],
        units["OUTCOME_SYNC_CRON"],
        units["CLAIMS_SANDBOX"],
        units["LOG_FORMAT"],
        units["RABBITMQ_PREFETCH"],
        units["PORT"],
    )


@pytest.mark.parametrize("ending", ["_TOKEN", "_KEY", "_SECRET"])
def test_no_secret_is_in_the_representation_of_the_settings(ending: str) -> None:
    secret = "hunter2" * 8
    secrets = (one.variable for one in described() if one.is_secret and one.variable)
    given = {variable: secret for variable in secrets if variable.endswith(ending)}

    assert given
    assert secret not in repr(load_settings(given))


@pytest.mark.parametrize("value", ["two words", "line-end\n", "schlüssel"])
def test_a_token_that_fits_into_no_header_is_refused_unseen(value: str) -> None:
    variables = {one.variable for one in described() if one.variable}
    shown_to_us = {"METRICS_BEARER_TOKEN"}  # compared as bytes, whatever they are
    for variable in {one for one in variables if one.endswith("_TOKEN")} - shown_to_us:
        with pytest.raises(BadSetting, match=variable) as refused:
            load_settings({variable: value})
        assert value not in str(refused.value)


def test_what_is_a_secret_or_may_hold_one_is_marked() -> None:
    marked = {one.variable for one in described() if one.is_secret}

    assert {"COSMOS_DB_KEY", "RABBITMQ_URL", "JWT_SECRET", "CMS_TOKEN"} <= marked
    assert not {"COSMOS_DB_ENDPOINT", "JWT_JWKS", "PORT"} & marked
    assert set(secret_variables()) - marked == {
        "OTEL_EXPORTER_OTLP_HEADERS",
        "PREFECT_API_AUTH_STRING",
    }
