"""The variables from which settings are read."""

import re
from functools import cache
from pathlib import Path

from blocks.observability.redaction import names_a_secret
from blocks.settings.block_variables import VARIABLE as BLOCKS_VARIABLE
from blocks.settings.configuration_file import VARIABLE as CONFIG_VARIABLE

DEFAULTS = Path(__file__).parents[1] / "default.yaml"

FILE = "_FILE"
"""At the end of a secret's variable: the path of the file that holds it."""

OF_LIBRARIES = ("OTEL_EXPORTER_OTLP_HEADERS", "PREFECT_API_AUTH_STRING")
"""Secrets that OpenTelemetry and Prefect read from the environment by themselves."""

_MAY_HOLD_A_PASSWORD = (
    "BACKUP_DATABASES",
    "BACKUP_SCRATCH_URL",
    "DATABASE_URL",
    "RABBITMQ_MANAGEMENT_URL",
    "RABBITMQ_URL",
    "REDIS_URL",
    "SMTP_URL",
)


def variables() -> frozenset[str]:
    """The names of all variables from which settings are read, those of files included."""
    files = (f"{name}{FILE}" for name in secret_variables())
    return frozenset((*_of_settings(), *files, *OF_LIBRARIES, CONFIG_VARIABLE, BLOCKS_VARIABLE))


@cache
def secret_variables() -> tuple[str, ...]:
    """Those whose value is a secret, or may hold one; each can come from a file."""
    secret = {name for name in _of_settings() if names_a_secret(name)}
    return tuple(sorted({*secret, *_MAY_HOLD_A_PASSWORD, *OF_LIBRARIES}))


@cache
def _of_settings() -> frozenset[str]:
    return frozenset(re.findall(r"\$\{(\w+)", DEFAULTS.read_text()))
