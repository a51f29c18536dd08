"""Settings: one YAML file of defaults, files laid over it, `${NAME:-default}` filled from the
environment.
"""

import os
import re
from collections.abc import Mapping

import msgspec

from blocks.settings.block_variables import BlockMissing, variables_of_blocks
from blocks.settings.checks import check
from blocks.settings.choices import check_choices
from blocks.settings.configuration_file import Written, read, read_files
from blocks.settings.environment.names import DEFAULTS
from blocks.settings.environment.secret_files import with_secret_files
from blocks.settings.environment.unknown import check_names
from blocks.settings.keys import Key, Leaves, dotted, leaves, tree_of, under_present_names
from blocks.settings.placeholders import filled
from blocks.settings.sections import BadSetting, Settings
from blocks.settings.server import internal_notes
from blocks.settings.source_keys import APART, settle
from blocks.settings.urls import clear_text_problem

_VERSION: Key = ("module", "version")

_SECRETS = ("key", "url", "secret", "token", "endpoint", "jwks")
"""How the names of settings end whose values are not shown."""


def load_settings(
    environment: Mapping[str, str] = os.environ, *, blocks_may_be_missing: bool = False
) -> Settings:
    """The settings of this process: its variables, then Prefect's blocks if enabled, then defaults.

    Raises `BadSetting` with one readable line, and `Unavailable` when there are blocks to read and
    Prefect is unavailable.
    """
    check_names(environment)
    check_choices(environment)
    environment = with_secret_files(environment)
    environment = under_present_names(_with_blocks(environment, blocks_may_be_missing))
    values = leaves(filled(read(DEFAULTS), environment, "the default of a setting"))
    files = read_files(environment)
    stated = files.filled(environment)
    values |= {key: value for key, value in stated.items() if key not in APART}
    values[_VERSION] = values[_VERSION] or installed_version()
    notes = (*files.notes, *settle(stated, values, environment))
    settings = _settings_of(values, files.written)
    check(settings)
    return msgspec.structs.replace(settings, notes=(*notes, *internal_notes(settings)))


def installed_version() -> str:
    """Of this release, as `pyproject.toml` has it: its one place."""
    from importlib.metadata import version

    return version("workflow-orchestrator")


def _with_blocks(environment: Mapping[str, str], may_be_missing: bool) -> Mapping[str, str]:
    try:
        stored = variables_of_blocks(environment, may_be_missing=may_be_missing)
    except BlockMissing as error:
        raise BadSetting(str(error)) from None
    # A variable that is set to nothing is as good as unset, as everywhere but in `choices`.
    return {
        **stored,
        **{name: value for name, value in environment.items() if value or name not in stored},
    }


def _settings_of(values: Leaves, written: Mapping[Key, Written]) -> Settings:
    try:
        return msgspec.convert(tree_of(values), Settings, strict=False)
    except msgspec.ValidationError as error:
        raise BadSetting(_explain(str(error), values, written)) from None


def _explain(error: str, values: Leaves, written: Mapping[Key, Written]) -> str:
    """msgspec's `Expected … - at `$.server.port`` as: setting server.port is 'x': expected …"""
    match = re.search(r"(.*) - at `\$\.?([\w.]*)`", error)
    if not match:
        return error
    key = tuple(match[2].split("."))
    name = written[key].name if key in written else _named(key)
    value = values.get(key)
    problem = clear_text_problem(value) if isinstance(value, str) else None
    if problem and match[1].startswith("Expected `str`"):
        return f"{name} {problem}"
    is_secret = key[-1].endswith(_SECRETS) and value
    shown = "***" if is_secret or problem else repr(value)
    return f"{name} is {shown}: {match[1][0].lower()}{match[1][1:]}"


def _named(key: Key) -> str:
    """As the environment names it, too."""
    default = leaves(read(DEFAULTS)).get(key)
    variable = re.match(r"\$\{(\w+)", default) if isinstance(default, str) else None
    return f"setting {dotted(key)}" + (f" ({variable[1]})" if variable else "")
