"""Settings that choose between an embedded part and a real one: set to nothing, they choose none.

An empty value is most often a secret that was not filled in. Taken for "not set", it would have a
process work on files of its own beside the system.
"""

from collections.abc import Mapping

import msgspec

from blocks.settings.keys import Key
from blocks.settings.sections import BadSetting


class Choice(msgspec.Struct, frozen=True):
    """The variable, the key of the setting if it has one, and what to write instead of nothing."""

    variable: str
    key: Key
    instead: str
    unset: str
    """What holds when the variable is not set."""


CHOICES = (
    Choice(
        "RABBITMQ_URL",
        ("rabbitmq", "url"),
        "amqp://user:password@host:5672/vhost, or sqlite:bus.db for the embedded bus",
        "the embedded bus",
    ),
    Choice(
        "COSMOS_DB_ENDPOINT",
        ("cosmos_db", "endpoint"),
        "https://account.documents.example:443/, or sqlite:records.db for the embedded store",
        "the embedded store",
    ),
    Choice(
        "PREFECT_API_URL",
        ("prefect", "api_url"),
        "the address of Prefect's API, as http://host:4200/api",
        "a server that `orchestrator up` starts",
    ),
    Choice("ORCHESTRATOR_CONFIG", (), "the path of a YAML file", "no file"),
    Choice("ORCHESTRATOR_BLOCKS", (), "the name of Prefect's blocks, as default", "no blocks"),
)


def check_choices(environment: Mapping[str, str]) -> None:
    """Raises `BadSetting` for a variable that is set, but to nothing."""
    for choice in CHOICES:
        if choice.variable in environment and not environment[choice.variable].strip():
            raise BadSetting(
                f"{choice.variable} is set, but empty: set it to {choice.instead}; or unset it for "
                f"{choice.unset}"
            )


def check_choice(key: Key, name: str, written: object, value: object) -> None:
    """The same for a value of a configuration file, as written and as filled."""
    choice = next((choice for choice in CHOICES if choice.key == key), None)
    if choice is None or (isinstance(value, str) and value.strip()):
        return
    # The default of this one is nothing: `${PREFECT_API_URL:-}` leaves it at that.
    if key == ("prefect", "api_url") and isinstance(written, str) and "${" in written:
        return
    if value is None or isinstance(value, str):
        raise BadSetting(f"{name} is empty: write {choice.instead} ({choice.variable})")
