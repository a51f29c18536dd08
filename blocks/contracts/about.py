"""Which piece of work an event belongs to, in headers of its message.

The documented data of some events lacks it: a completed step names no opportunity, an approval no
execution.
"""

from collections.abc import Mapping
from typing import Self

import msgspec

from blocks.contracts.records import ApprovalRecord, ExecutionRecord


class About(msgspec.Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    """The execution, its workflow and its subject; None: there is none, or it is not known."""

    execution_id: str | None = None
    workflow: str | None = None
    subject: str | None = None

    @classmethod
    def execution(cls, execution: ExecutionRecord) -> Self:
        return cls(
            execution_id=execution.id, workflow=execution.workflow, subject=execution.subject
        )

    @classmethod
    def approval(cls, approval: ApprovalRecord) -> Self:
        return cls(
            execution_id=approval.execution_id, workflow=approval.workflow, subject=approval.about
        )

    @classmethod
    def parse(cls, headers: Mapping[str, str]) -> Self:
        """The content of these headers; unknown ones are ignored."""
        return msgspec.convert(headers, cls)

    @property
    def headers(self) -> dict[str, str]:
        stated: dict[str, str] = msgspec.to_builtins(self)
        return stated
