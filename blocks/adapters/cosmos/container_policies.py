"""What a container of the account is made with: what is indexed, and that records may expire."""

from collections.abc import Iterator
from typing import Any

import msgspec
from msgspec import inspect

from blocks.contracts import records
from blocks.contracts.older_service import OLDER_FORMS
from blocks.contracts.records import Record, audit, claims, dead_letters, operations

EXPIRES_PER_RECORD = -1
"""The container's default time to live: none, but a record may state one in `ttl`."""

_OWN = ("tenantId", "kind", "sortKey")

_FREE_TEXT = frozenset(
    (
        "comment",
        "content",
        "error",
        "html",
        "message",
        "reason",
        "rejectionReason",
        "summary",
        "text",
    )
)
"""Written by people and programs, long, and compared with nothing."""

# Their kinds are found among the subclasses once they are imported; the others' always are.
_IMPORTED = (audit, claims, dead_letters, operations)

_NESTED = (inspect.StructType, inspect.DictType, inspect.AnyType, inspect.BytesType)


def indexing_policy(container: str) -> dict[str, Any]:
    """An index on what a query may name (`blocks.ports.Where`: scalars at the top of a record, and
    lists of them), but not on free text, and on nothing else.

    The rest, results and bodies above all, is most of a record: indexed, each of its values would
    be paid for with every write.
    https://learn.microsoft.com/azure/cosmos-db/index-policy
    """
    paths = sorted({f"/{key}/?" for key in _OWN} | set(_paths(container)))
    return {
        "indexingMode": "consistent",
        "automatic": True,
        "includedPaths": [{"path": path} for path in paths],
        "excludedPaths": [{"path": "/*"}],
    }


def kinds_of(container: str) -> list[type[Record]]:
    """The kinds of records that lie there, by name."""
    found = [kind for kind in _subclasses(Record) if kind.container == container]
    return sorted(found, key=lambda kind: kind.__name__)


def _subclasses(base: type[Record]) -> Iterator[type[Record]]:
    for kind in base.__subclasses__():
        if kind.__module__.startswith(f"{records.__name__}."):
            yield kind
            yield from _subclasses(kind)


def _paths(container: str) -> Iterator[str]:
    for kind in kinds_of(container):
        for field in msgspec.structs.fields(kind):
            if field.encode_name in _FREE_TEXT:
                continue
            yield from _path_of(field.encode_name, field.type)
    for kind, form in OLDER_FORMS.items():
        if kind.container == container:
            yield from (f"/{key}/?" for key in {*form.verbatim.values(), *form.choices})


def _path_of(key: str, declared: Any) -> Iterator[str]:
    types = list(_flat(inspect.type_info(declared)))
    if any(isinstance(one, _NESTED) for one in types):
        return
    lists = [one for one in types if isinstance(one, inspect.ListType)]
    if not lists:
        yield f"/{key}/?"
    elif not any(isinstance(one, _NESTED) for one in _flat(lists[0].item_type)):
        yield f"/{key}/[]/?"


def _flat(type_: inspect.Type) -> Iterator[inspect.Type]:
    match type_:
        case inspect.UnionType(types=types):
            for one in types:
                yield from _flat(one)
        case inspect.Metadata(type=inner):
            yield from _flat(inner)
        case _:
            yield type_
