"""The operations that exist here."""

from datetime import timedelta

from blocks.contracts.operations.operation import Operation, Step

LOG_ROTATION = Operation(
    id="log-rotation",
    title="Log Rotation & Cleanup",
    description="Rotates, compresses and deletes log files, while they are written.",
    cron="0 0 * * *",
    misfire="latest",  # what was not rotated at midnight is rotated once, when it can be
    max_lateness=timedelta(hours=20),
    overlap="skip",
    steps=(
        Step("rotate-logs", "Rotate Logs"),
        Step("compress-old", "Compress Old Logs", limit_seconds=3600),
        Step("cleanup", "Cleanup Old Logs"),
    ),
)

OPERATIONS = (LOG_ROTATION,)

_BY_ID = {operation.id: operation for operation in OPERATIONS}


def operation_named(id: str) -> Operation | None:
    return _BY_ID.get(id)
