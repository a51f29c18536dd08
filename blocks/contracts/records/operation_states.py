"""What operations know from one run to the next."""

from datetime import datetime
from typing import ClassVar

from blocks.contracts.events import JsonObject
from blocks.contracts.records.base import Record


class OperationStateRecord(Record, frozen=True, kw_only=True, tag="operation-state"):
    """What an operation knows of one subject, under the system tenant; `id` is
    `ids.operation_state_id`.
    """

    container: ClassVar[str] = "workflow_workflows"

    operation: str
    subject: str
    state: JsonObject
    """Of the form that the operation gives it."""
    updated_at: datetime
