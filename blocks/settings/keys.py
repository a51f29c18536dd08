"""Settings by their keys: a tree of sections as one level of `("rabbitmq", "url"): value`."""

from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from typing import Any, TypeVar

import msgspec

from blocks.settings.sections import Settings

T = TypeVar("T")

Key = tuple[str, ...]
Leaves = dict[Key, Any]


def leaves(tree: Mapping[Any, Any], at: Key = ()) -> Leaves:
    """Every value that is no section, by its key; an empty section leaves nothing."""
    found: Leaves = {}
    for name, value in tree.items():
        key = (*at, str(name))
        found |= leaves(value, key) if isinstance(value, dict) else {key: value}
    return found


def tree_of(values: Mapping[Key, Any]) -> dict[str, Any]:
    """The sections again."""
    tree: dict[str, Any] = {}
    for key, value in values.items():
        section = tree
        for name in key[:-1]:
            section = section.setdefault(name, {})
        section[key[-1]] = value
    return tree


def setting_keys(section: type[msgspec.Struct] = Settings, at: Key = ()) -> list[Key]:
    """The key of every setting."""
    found: list[Key] = []
    for field in msgspec.structs.fields(section):
        key = (*at, field.name)
        if isinstance(field.type, type) and issubclass(field.type, msgspec.Struct):
            found += setting_keys(field.type, key)
        elif field.required:
            found.append(key)
    return found


def dotted(key: Key) -> str:
    return ".".join(key)


def begins(key: Key, start: Key) -> bool:
    return key[: len(start)] == start


def nearest(key: Key, known: Iterable[Key]) -> str | None:
    """The known key that was probably meant: one spelled alike in its section, else one of this
    name in another.
    """
    known = list(known)
    depth = len(key)
    siblings = {one[depth - 1] for one in known if len(one) >= depth and begins(one, key[:-1])}
    if alike := get_close_matches(key[-1], siblings, n=1, cutoff=0.6):
        return dotted((*key[:-1], alike[0]))
    elsewhere = [one for one in known if one[-1] == key[-1]]
    return dotted(elsewhere[0]) if len(elsewhere) == 1 else None


EARLIER_NAMES = {
    "MIRROR_INTERVAL_SECONDS": "RECONCILER_INTERVAL_SECONDS",
    "MIRROR_LEASE_SECONDS": "RECONCILER_LEASE_SECONDS",
    "mirror": "reconciler",
}
"""Variables, and sections of a configuration file, that are still read under an earlier name."""


def under_present_names(named: Mapping[str, T]) -> dict[str, T]:
    """What is there under both names counts under the present one."""
    return {
        EARLIER_NAMES[name]: value for name, value in named.items() if name in EARLIER_NAMES
    } | {name: value for name, value in named.items() if name not in EARLIER_NAMES}
