"""`${NAME}` and `${NAME:-default}` in a configuration file, filled from the environment."""

import re
from collections.abc import Mapping
from typing import Any

from blocks.settings.sections import BadSetting

_ANY = re.compile(r"\$\{[^}]*\}?")
_FORM = re.compile(r"\$\{(\w+)(?::-(.*))?\}", re.DOTALL)


def filled(value: Any, environment: Mapping[str, str], name: str) -> Any:
    """The value with its placeholders filled; `name` is how an error calls it.

    A variable that is set to nothing has its default. Raises `BadSetting` for a variable without a
    default that is not set, and for what is no placeholder.
    """
    if isinstance(value, dict):
        return {key: filled(inner, environment, name) for key, inner in value.items()}
    if isinstance(value, list):
        return [filled(inner, environment, name) for inner in value]
    if not isinstance(value, str):
        return value
    return _ANY.sub(lambda found: _value_of(found[0], environment, name), value)


def _value_of(placeholder: str, environment: Mapping[str, str], name: str) -> str:
    form = _FORM.fullmatch(placeholder)
    if not form:
        raise BadSetting(
            f"{name} holds a ${{…}} that cannot be read: write ${{NAME}} or ${{NAME:-default}}"
        )
    variable, default = form[1], form[2]
    if default is not None:
        return environment.get(variable) or default
    if variable not in environment:
        raise BadSetting(
            f"{name} is ${{{variable}}}, and {variable} is not set: set it, or write "
            f"${{{variable}:-default}}"
        )
    return environment[variable]
