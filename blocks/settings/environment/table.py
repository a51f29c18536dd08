"""Every setting in one table: name, variable, default, unit, meaning.

`default.yaml` has defaults and meanings, the sections have types and bounds.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any, Literal, get_args, get_origin

import msgspec
import yaml

from blocks.settings.environment.names import DEFAULTS, secret_variables
from blocks.settings.keys import Key, dotted
from blocks.settings.sections import Settings

_VARIABLE = re.compile(r"\$\{(\w+):-(.*)\}")

_UNITS = {
    "_seconds": "seconds",
    "_hours": "hours",
    "_days": "days",
    "_megabytes": "megabytes",
    "_percent": "percent",
    "_cron": "cron",
    "cron": "cron",
    "_port": "port",
    "_url": "URL",
    "_urls": "URLs",
}
"""By how a setting's name ends."""

_EVERYWHERE = {
    "enabled": "whether its schedule starts it",
    "cron": "when it starts",
    "events": "types of events that start it, separated by commas",
    "database_url": "postgresql://user:password@host:5432/database; empty: none",
}
"""What these mean in each section that says nothing else."""


class Described(msgspec.Struct, frozen=True):
    """A setting as an operator reads of it; `variable` is None where only the file sets it."""

    key: Key
    variable: str | None
    default: str
    unit: str
    meaning: str

    @property
    def name(self) -> str:
        return dotted(self.key)

    @property
    def is_secret(self) -> bool:
        return self.variable in secret_variables()


def described() -> list[Described]:
    """All settings, in the order of `default.yaml`."""
    return list(_read(yaml.compose(DEFAULTS.read_text()), (), DEFAULTS.read_text().splitlines()))


def section_meanings() -> Mapping[str, str]:
    """What `default.yaml` has beside the name of each section."""
    lines = DEFAULTS.read_text().splitlines()
    found = (re.fullmatch(r"(\w+):(?:\s+# (.*))?", line) for line in lines)
    return {one[1]: one[2] or "" for one in found if one}


def _read(node: Any, at: Key, lines: list[str]) -> Iterator[Described]:
    for name, value in node.value:
        key = (*at, name.value)
        if isinstance(value, yaml.MappingNode):
            yield from _read(value, key, lines)
            continue
        found = _VARIABLE.fullmatch(value.value)
        yield Described(
            key=key,
            variable=found[1] if found else None,
            default=found[2] if found else value.value,
            unit=_unit_of(key),
            meaning=_meaning(value, lines) or _EVERYWHERE.get(key[-1], ""),
        )


def _meaning(value: yaml.Node, lines: list[str]) -> str:
    """The comment behind the value, else the one on the line above."""
    behind = lines[value.end_mark.line][value.end_mark.column :].strip()
    above = lines[value.start_mark.line - 1].strip()
    comment = behind or (above if above.startswith("# ") else "")
    return comment.removeprefix("#").strip()


def _unit_of(key: Key) -> str:
    type_ = _type_of(key)
    if type_ is bool:
        return "true or false"
    if get_origin(type_) is Literal:
        return " or ".join(map(str, get_args(type_)))
    for end, unit in _UNITS.items():
        if key[-1].endswith(end) or (key[-1] == end.strip("_") and end != "_days"):
            return unit
    return {int: "number", float: "number"}.get(type_, "text")


def _plain(type_: Any) -> Any:
    return _plain(get_args(type_)[0]) if hasattr(type_, "__metadata__") else type_


def _type_of(key: Key) -> Any:
    type_: Any = Settings
    for name in key:
        fields = {field.name: field.type for field in msgspec.structs.fields(type_)}
        type_ = fields[name]
    return _plain(type_)
