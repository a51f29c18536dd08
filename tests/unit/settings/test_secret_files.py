"""`NAME_FILE` names the file that holds a secret."""

from pathlib import Path

import pytest

from blocks.settings import BadSetting, load_settings
from blocks.settings.environment.names import secret_variables
from blocks.settings.environment.secret_files import give_to_libraries, with_secret_files

URL = "amqp://user:hunter22@broker:5672/"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    file = tmp_path / "secret"
    file.write_text(f"{URL}\n")
    return file


def test_a_setting_has_what_the_file_holds_without_its_last_line_break(file: Path) -> None:
    assert URL == load_settings({"RABBITMQ_URL_FILE": str(file)}).rabbitmq.url


@pytest.mark.parametrize("variable", secret_variables())
def test_every_secret_can_come_from_a_file(variable: str, file: Path) -> None:
    assert URL == with_secret_files({f"{variable}_FILE": str(file)})[variable]


def test_placeholders_of_a_configuration_file_are_filled_from_it(
    file: Path, tmp_path: Path
) -> None:
    (tmp_path / "own.yaml").write_text("rabbitmq: {url: '${RABBITMQ_URL}'}")
    environment = {"ORCHESTRATOR_CONFIG": str(tmp_path / "own.yaml")}

    settings = load_settings({**environment, "RABBITMQ_URL_FILE": str(file)})

    assert URL == settings.rabbitmq.url


@pytest.mark.parametrize(
    ("environment", "words"),
    [
        ({"RABBITMQ_URL": "", "RABBITMQ_URL_FILE": "{file}"}, "set, but empty"),
        ({"RABBITMQ_URL": URL, "RABBITMQ_URL_FILE": "{file}"}, "and RABBITMQ_URL_FILE are both"),
        ({"JWT_SECRET": "", "JWT_SECRET_FILE": "{file}"}, "JWT_SECRET_FILE are both set"),
        ({"RABBITMQ_URL_FILE": ""}, "RABBITMQ_URL_FILE is set, but empty: name the file"),
        ({"RABBITMQ_URL_FILE": "{file}.no"}, "cannot be read: No such file or directory"),
        ({"RABBITMQ_URL_FILE": "{folder}"}, "cannot be read: Is a directory"),
        ({"RABBITMQ_URL_FILE": "{folder}/empty"}, "which is empty: write RABBITMQ_URL into it"),
        ({"RABBITMQ_URL_FILE": "{folder}/binary"}, "which is not UTF-8 text"),
    ],
)
def test_what_cannot_be_used_is_refused_and_not_shown(
    environment: dict[str, str], words: str, file: Path
) -> None:
    (file.parent / "empty").write_text("\n")
    (file.parent / "binary").write_bytes(b"\xff\xfe")
    filled = {
        name: value.format(file=file, folder=file.parent) for name, value in environment.items()
    }

    with pytest.raises(BadSetting) as refused:
        load_settings(filled)

    assert words in str(refused.value)
    assert "hunter22" not in str(refused.value)


def test_what_libraries_read_lies_in_the_environment_once(file: Path) -> None:
    environment = {"PREFECT_API_AUTH_STRING_FILE": str(file), "RABBITMQ_URL_FILE": str(file)}

    give_to_libraries(environment)

    assert {"PREFECT_API_AUTH_STRING": URL, "RABBITMQ_URL_FILE": str(file)} == environment
