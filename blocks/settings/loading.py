"""Settings: one YAML file of defaults, a file laid over it, `${NAME:-default}` filled from the
environment.
"""

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from blocks.settings.block_variables import BlockMissing, variables_of_blocks
from blocks.settings.checks import check
from blocks.settings.sections import BadSetting, Settings

T = TypeVar("T")

DEFAULTS = Path(__file__).with_name("default.yaml")

EARLIER_NAMES = {
    "MIRROR_INTERVAL_SECONDS": "RECONCILER_INTERVAL_SECONDS",
    "MIRROR_LEASE_SECONDS": "RECONCILER_LEASE_SECONDS",
    "mirror": "reconciler",
}
"""Variables, and sections of a configuration file, that are still read under these names."""


def load_settings(
    environment: Mapping[str, str] = os.environ, *, blocks_may_be_missing: bool = False
) -> Settings:
    """The settings of this process: its variables, then Prefect's blocks if enabled, then defaults.

    Raises `BadSetting` with one readable line, and `Unavailable` when there are blocks to read and
    Prefect is unavailable.
    """
    environment = _under_present_names(_with_blocks(environment, blocks_may_be_missing))
    tree = _read(DEFAULTS, environment)
    override = environment.get("ORCHESTRATOR_CONFIG")
    if override:
        tree = _laid_over(tree, _under_present_names(_read(Path(override), environment)))
    try:
        settings = msgspec.convert(tree, Settings, strict=False)
    except msgspec.ValidationError as error:
        raise BadSetting(_explain(str(error), tree)) from None
    check(settings)
    return settings


def _with_blocks(environment: Mapping[str, str], may_be_missing: bool) -> Mapping[str, str]:
    try:
        stored = variables_of_blocks(environment, may_be_missing=may_be_missing)
    except BlockMissing as error:
        raise BadSetting(str(error)) from None
    # A variable that is set to nothing is as good as unset, as everywhere.
    return {
        **stored,
        **{name: value for name, value in environment.items() if value or name not in stored},
    }


def _under_present_names(named: Mapping[str, T]) -> dict[str, T]:
    """What is there under both names counts under the present one."""
    return {
        EARLIER_NAMES[name]: value for name, value in named.items() if name in EARLIER_NAMES
    } | {name: value for name, value in named.items() if name not in EARLIER_NAMES}


def _read(path: Path, environment: Mapping[str, str]) -> dict[str, Any]:
    import yaml

    try:
        tree = yaml.safe_load(path.read_text())
    except OSError as error:
        raise BadSetting(
            f"the configuration file {path} cannot be read: {error.strerror}"
        ) from None
    except UnicodeDecodeError:
        raise BadSetting(f"the configuration file {path} is not UTF-8 text") from None
    except yaml.YAMLError as error:
        raise BadSetting(
            f"the configuration file {path} is not YAML: {' '.join(str(error).split())}"
        ) from None
    if not isinstance(tree, dict):
        raise BadSetting(f"the configuration file {path} must hold a mapping of sections")
    return {key: _filled(value, environment) for key, value in tree.items()}


def _filled(value: Any, environment: Mapping[str, str]) -> Any:
    if isinstance(value, dict):
        return {key: _filled(inner, environment) for key, inner in value.items()}
    if not isinstance(value, str):
        return value
    return re.sub(
        r"\$\{(\w+)(?::-([^}]*))?\}", lambda m: environment.get(m[1]) or m[2] or "", value
    )


def _laid_over(below: dict[str, Any], above: dict[str, Any]) -> dict[str, Any]:
    merged = dict(below)
    for key, value in above.items():
        both_sections = isinstance(value, dict) and isinstance(below.get(key), dict)
        merged[key] = _laid_over(below[key], value) if both_sections else value
    return merged


def _explain(error: str, tree: dict[str, Any]) -> str:
    """msgspec's `Expected … - at `$.server.port`` as: setting server.port is 'x': expected …"""
    match = re.search(r"(.*) - at `\$\.?([\w.]*)`", error)
    if not match:
        return error
    value: Any = tree
    for key in match[2].split("."):
        value = value.get(key) if isinstance(value, dict) else None
    if isinstance(value, dict):  # a whole section, with the secrets in it
        return f"setting {match[2]}: {match[1][0].lower()}{match[1][1:]}"
    shown = "***" if match[2].endswith(("key", "url", "secret", "token")) else repr(value)
    return f"setting {match[2] or '(top level)'} is {shown}: {match[1][0].lower()}{match[1][1:]}"
