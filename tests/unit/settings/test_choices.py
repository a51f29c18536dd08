"""A setting that chooses between an embedded part and a real one, set to nothing, is an error."""

from pathlib import Path

import pytest

from blocks.settings import BadSetting, load_settings
from blocks.settings.choices import CHOICES, Choice


@pytest.mark.parametrize("value", ["", "  "])
@pytest.mark.parametrize("choice", CHOICES, ids=lambda choice: choice.variable)
def test_an_empty_variable_is_an_error_that_names_what_to_set(choice: Choice, value: str) -> None:
    variable, instead = choice.variable, choice.instead

    with pytest.raises(BadSetting) as refused:
        load_settings({variable: value})

    assert str(refused.value).startswith(f"{variable} is set, but empty: set it to {instead}; or")


@pytest.mark.parametrize("written", ["''", "'  '", "", "'${NOT_SET:-}'"])
@pytest.mark.parametrize(
    ("section", "name", "variable"),
    [
        ("rabbitmq", "url", "RABBITMQ_URL"),
        ("cosmos_db", "endpoint", "COSMOS_DB_ENDPOINT"),
    ],
)
def test_an_empty_key_of_the_file_is_one_too(
    tmp_path: Path, section: str, name: str, variable: str, written: str
) -> None:
    (tmp_path / "own.yaml").write_text(f"{section}:\n  {name}: {written}\n")

    with pytest.raises(
        BadSetting, match=rf"{section}.{name} in own.yaml is empty: write .*{variable}"
    ):
        load_settings({"ORCHESTRATOR_CONFIG": str(tmp_path / "own.yaml")})


@pytest.mark.parametrize("written", ["''", ""])
def test_no_prefect_is_written_by_leaving_it_out(tmp_path: Path, written: str) -> None:
    (tmp_path / "own.yaml").write_text(f"prefect:\n  api_url: {written}\n")

    with pytest.raises(BadSetting, match=r"prefect.api_url in own.yaml is empty: write"):
        load_settings({"ORCHESTRATOR_CONFIG": str(tmp_path / "own.yaml")})


def test_unset_variables_choose_the_embedded_parts() -> None:
    settings = load_settings({})

    assert ("sqlite:bus.db", "sqlite:records.db", "") == (
        settings.rabbitmq.url,
        settings.cosmos_db.endpoint,
        settings.prefect.api_url,
    )
