"""The audit log: who changed what, through which channel, and how it was before and after.

An entry is created once and never changed; no store replaces or deletes it. Before a change begins,
an intent is written down, so that a process that dies in the middle leaves a trace, from which the
reconciler writes the entry.
"""

from typing import ClassVar, Literal

import msgspec

from blocks.contracts.events import JsonObject
from blocks.contracts.records import Record

Credential = Literal[
    "user-token",
    "service-token",
    "api-key",
    "gateway",
    "link",
    "terminal",
    "prefect-ui",
    "internal",
    "unproven",
]
"""How the caller was identified; `gateway` and `prefect-ui` were trusted, `terminal` is local,
`internal` came without a credential on the address that asks for none, `unproven` showed none, or
one that was not valid.
"""

Channel = Literal["api", "cli", "link", "page", "prefect-ui"]

Result = Literal["done", "incomplete", "unknown", "refused"]
"""`incomplete`: it failed after a change. `unknown`: the process ended, or the store did not
answer, before the outcome was known. `refused`: it was not permitted, and nothing was changed.
"""


FAILED_LOGIN = "authentication.fail"
"""The action of an entry about an address that failed to authenticate; its target is the address.
"""


class Act(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """What a caller is about to do."""

    action: str
    """A stable name, e.g. `execution.cancel`."""
    actor: str | None
    """In whose name: a user, or a service, key or terminal's user in its own; None: not named."""
    credential: Credential
    service: str | None = None
    """Who showed the credential, if it acts for users."""
    roles: list[str] = []
    """Our roles that the credential has."""
    channel: Channel
    request_id: str | None = None
    target: str | None = None
    """Id of its target, if the request names one."""


class AuditChange(msgspec.Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    """One record that was changed: the fields that differ, as they were and as they are. Secrets
    never stand here.
    """

    kind: str
    id: str
    before: JsonObject | None = None
    """None: it was created."""
    after: JsonObject | None = None
    """None: it was deleted."""


class AuditEntry(Record, frozen=True, kw_only=True, tag="audit-entry"):
    """One act, under the tenant that it was done for; `created_at` is when it began."""

    container: ClassVar[str] = "workflow_audit"
    append_only: ClassVar[bool] = True

    action: str
    actor: str | None
    credential: Credential
    service: str | None
    roles: list[str]
    channel: Channel
    request_id: str | None
    result: Result
    targets: list[str]
    """Ids of what it was about and of everything it changed."""
    changes: list[AuditChange]
    failures: dict[str, int] | None = None
    """Of failed authentications, which one entry counts: how many, by reason."""


class AuditIntent(Record, frozen=True, kw_only=True, tag="audit-intent"):
    """An act whose entry is still to come, under that entry's id and the system tenant; it goes
    when that is there.
    """

    container: ClassVar[str] = "workflow_workflows"

    tenant: str
    act: Act
