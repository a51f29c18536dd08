"""What a flow run was started with, as far as it can be read.

Prefect checks parameters against the flow's signature only if the caller does not switch that off,
so anyone who may start a run may give any JSON for any of them. Such a run is refused or fails in
its worker; whoever looks at many runs must be able to look past it.
"""

from collections.abc import Mapping
from typing import Any, Self

import msgspec

from blocks.contracts.ids import SYSTEM_TENANT
from blocks.contracts.reading.uuids import canonical_uuid

PLATFORM = "the platform"
"""For whom an operation's run opens its execution."""


class Stated(msgspec.Struct, frozen=True, kw_only=True):
    """The parameters that name a run's work. Ids in their one spelling; what can be none is left
    out, as no record has such an id.
    """

    tenant_id: str = ""
    execution_ids: list[str] = []
    job: str | None = None
    opens_for: str | None = None

    @classmethod
    def of(cls, parameters: Mapping[str, Any]) -> Self:
        tenant_id = canonical_uuid(_text(parameters, "tenant_id")) or ""
        execution_ids = _uuids(parameters.get("execution_ids"))
        # Of the system tenant's workflows, only operations have such parameters.
        is_of_an_operation = tenant_id == SYSTEM_TENANT and not execution_ids
        return cls(
            tenant_id=tenant_id,
            execution_ids=execution_ids,
            job=_text(parameters, "job") or None,
            opens_for=_text(parameters, "opportunity_id")
            or (PLATFORM if is_of_an_operation else None),
        )


def _text(parameters: Mapping[str, Any], name: str) -> str:
    value = parameters.get(name)
    return value if isinstance(value, str) else ""


def _uuids(values: object) -> list[str]:
    listed = values if isinstance(values, list) else []
    found = [canonical_uuid(value) for value in listed if isinstance(value, str)]
    return list(dict.fromkeys(filter(None, found)))
