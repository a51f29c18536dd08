"""The files that `ORCHESTRATOR_CONFIG` names: ours, or those of the orchestrator we replace."""

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from blocks.settings.choices import check_choice
from blocks.settings.keys import (
    Key,
    Leaves,
    begins,
    dotted,
    leaves,
    nearest,
    setting_keys,
    under_present_names,
)
from blocks.settings.placeholders import filled
from blocks.settings.sections import BadSetting, Note
from blocks.settings.source_keys import APART, MOVED, WITHOUT_EFFECT

VARIABLE = "ORCHESTRATOR_CONFIG"
"""One path, or several with a colon between; a later file is laid over an earlier one."""


class Written(msgspec.Struct, frozen=True):
    """A value as a file has it, and under which name."""

    value: Any
    key: Key
    file: str

    @property
    def name(self) -> str:
        return f"setting {dotted(self.key)} in {self.file}"


class Files(msgspec.Struct, frozen=True):
    """What the files set, by our keys, and what an operator should know about them."""

    written: Mapping[Key, Written]
    notes: list[Note]

    def filled(self, environment: Mapping[str, str]) -> Leaves:
        """The values. Raises `BadSetting` for a placeholder without a value, and for an empty
        choice.
        """
        values: Leaves = {}
        for key, one in self.written.items():
            values[key] = filled(one.value, environment, one.name)
            check_choice(key, one.name, one.value, values[key])
        return values


def read_files(environment: Mapping[str, str]) -> Files:
    """What `ORCHESTRATOR_CONFIG` names, read. Raises `BadSetting`."""
    paths = [Path(path) for path in environment.get(VARIABLE, "").split(os.pathsep) if path]
    written: dict[Key, Written] = {}
    notes = _left_out(paths, environment.get("NODE_ENV", ""))
    for path in paths:
        of_file, more = _understood(_values_of(path), path.name)
        written |= of_file
        notes += more
    return Files(written, notes)


def _values_of(path: Path) -> Leaves:
    try:
        return leaves(under_present_names(read(path)))
    except RecursionError:  # an anchor may also stand within itself
        raise BadSetting(f"the configuration file {path} is nested too deeply") from None


def read(path: Path) -> dict[str, Any]:
    """The tree of sections. Raises `BadSetting`."""
    from blocks.settings.yaml_text import parsed

    try:
        tree = parsed(path.read_text(), f"the configuration file {path}")
    except OSError as error:
        raise BadSetting(
            f"the configuration file {path} cannot be read: {error.strerror}"
        ) from None
    except UnicodeDecodeError:
        raise BadSetting(f"the configuration file {path} is not UTF-8 text") from None
    if not isinstance(tree, dict):
        raise BadSetting(f"the configuration file {path} must hold a mapping of sections")
    return tree


def _left_out(paths: list[Path], node_env: str) -> list[Note]:
    """The older orchestrator lays a file that is called for its NODE_ENV over its defaults."""
    is_name = re.fullmatch(r"[\w-]+", node_env)
    beside = [path.with_name(f"{node_env}.yaml") for path in paths if is_name]
    return [
        Note(
            "warning",
            f"{path.name} is not read, though NODE_ENV is {node_env}: name both files in "
            f"{VARIABLE}, with {os.pathsep} between",
        )
        for path in dict.fromkeys(beside)
        if path not in paths and path.exists()
    ]


def _understood(values: Leaves, file: str) -> tuple[dict[Key, Written], list[Note]]:
    known = [*setting_keys(), *MOVED, *WITHOUT_EFFECT, *APART]
    written: dict[Key, Written] = {}
    notes: dict[Key, Note] = {}
    for key, value in values.items():
        if key in WITHOUT_EFFECT:
            text = f"{dotted(key)} in {file} has no effect: {WITHOUT_EFFECT[key]}"
            notes[key] = Note("info", text)
        elif key in known:
            one = Written(value, key, file)
            _check_said_once(written.get(MOVED.get(key, key)), one)
            written[MOVED.get(key, key)] = one
        elif unknown := _unknown_part(key, known):
            raise BadSetting(_unknown(unknown, known, file))
        else:
            _check_is_section(key, value, known, file)
    return written, list(notes.values())


def _check_said_once(before: Written | None, one: Written) -> None:
    if before and before.value != one.value:
        raise BadSetting(
            f"{before.name} and {dotted(one.key)} are one setting with two values: write one"
        )


def _unknown_part(key: Key, known: list[Key]) -> Key | None:
    """The first part of the key that no known key begins with; None if the whole key is in a place
    that is known.
    """
    parts = (key[:depth] for depth in range(1, len(key) + 1))
    for part in parts:
        if part in known:
            return None
        if not any(begins(one, part) for one in known):
            return part
    return None


def _unknown(key: Key, known: list[Key], file: str) -> str:
    meant = nearest(key, known)
    todo = f"did you mean {meant}?" if meant else "`orchestrator settings` lists all"
    return f"{dotted(key)} in {file} is not a setting: {todo}"


def _check_is_section(key: Key, value: object, known: list[Key], file: str) -> None:
    """The key is that of a section, or lies below a single value."""
    if any(begins(one, key) for one in known):
        if value is not None:  # a section whose lines are all commented out
            raise BadSetting(
                f"setting {dotted(key)} in {file} is a single value: expected a section of settings"
            )
        return
    place = next(one for one in known if begins(key, one))
    raise BadSetting(f"setting {dotted(place)} in {file} is a section: expected a single value")
