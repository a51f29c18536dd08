"""Secrets from files: `RABBITMQ_URL_FILE` names the file that holds what `RABBITMQ_URL` would.

So Docker and Kubernetes mount them: no environment, and no `docker inspect`, shows them.
"""

import os
from collections.abc import Mapping, MutableMapping
from pathlib import Path

from blocks.settings.environment.names import FILE, OF_LIBRARIES, secret_variables
from blocks.settings.sections import BadSetting


def with_secret_files(environment: Mapping[str, str]) -> Mapping[str, str]:
    """The environment with each secret that a file holds under its own name.

    A line break at the end of the file does not count. Raises `BadSetting`, which quotes nothing of
    the file: it cannot be read, it is empty, or the variable is set as well.
    """
    from_files = {
        name: _secret_of(name, environment)
        for name in secret_variables()
        if f"{name}{FILE}" in environment
    }
    return {**environment, **from_files} if from_files else environment


def give_to_libraries(environment: MutableMapping[str, str] = os.environ) -> None:
    """Prefect and OpenTelemetry, which know no such files, find their secrets in the environment.

    Raises `BadSetting` as above.
    """
    for name in OF_LIBRARIES:
        if f"{name}{FILE}" in environment:
            environment[name] = _secret_of(name, environment)
            del environment[f"{name}{FILE}"]  # a child process would find both


def _secret_of(name: str, environment: Mapping[str, str]) -> str:
    variable, path = f"{name}{FILE}", environment[f"{name}{FILE}"]
    if name in environment:
        raise BadSetting(f"{name} and {variable} are both set: unset one of them")
    if not path:
        raise BadSetting(f"{variable} is set, but empty: name the file that holds {name}")
    try:
        secret = Path(path).read_text().rstrip("\r\n")
    except OSError as error:
        raise BadSetting(
            f"{variable} is {path!r}, which cannot be read: {error.strerror}"
        ) from None
    except UnicodeDecodeError:
        raise BadSetting(f"{variable} is {path!r}, which is not UTF-8 text") from None
    if not secret.strip():
        raise BadSetting(f"{variable} is {path!r}, which is empty: write {name} into it")
    return secret
