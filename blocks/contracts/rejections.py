"""Why an input was refused: one stable code per reason, for the dead-letter header, logs and
alerts.
"""

from typing import Final


class Rejected(Exception):
    """This input can never be accepted as it is. `code` is stable; `reason` is for people."""

    def __init__(self, code: str, reason: str) -> None:
        super().__init__(f"{code}: {reason}")
        self.code = code
        self.reason = reason


MALFORMED_JSON: Final = "malformed-json"
TOO_LARGE: Final = "too-large"
RECORD_TOO_LARGE: Final = "record-too-large"
SCHEMA_INVALID: Final = "schema-invalid"
UNSUPPORTED_VERSION: Final = "unsupported-version"
UNKNOWN_TENANT: Final = "unknown-tenant"
UNKNOWN_EXECUTION: Final = "unknown-execution"
ID_REUSE: Final = "id-reuse"
POISON: Final = "poison"

STEP_TIMEOUT: Final = "step-timeout"
STEP_FAILED: Final = "step-failed"
DEADLINE_PASSED: Final = "deadline-passed"
RUN_FAILED: Final = "run-failed"
WORKER_LOST: Final = "worker-lost"
CANCELLED: Final = "cancelled"
APPROVAL_REJECTED: Final = "approval-rejected"
APPROVAL_EXPIRED: Final = "approval-expired"
APPROVAL_CANCELLED: Final = "approval-cancelled"
SERVICE_REPLACED: Final = "service-replaced"
JOB_FAILED: Final = "job-failed"
JOB_UNREPORTED: Final = "job-unreported"

WEBHOOK_REFUSED: Final = "webhook-refused"
WEBHOOK_FAILED: Final = "webhook-failed"

OF_MESSAGES: Final = (
    MALFORMED_JSON,
    TOO_LARGE,
    RECORD_TOO_LARGE,
    SCHEMA_INVALID,
    UNSUPPORTED_VERSION,
    UNKNOWN_TENANT,
    UNKNOWN_EXECUTION,
    ID_REUSE,
    POISON,
    WEBHOOK_REFUSED,
    WEBHOOK_FAILED,
)
"""The codes under which a message becomes a dead letter."""
