"""The audit log's name of each command that changes something, and its actor.

Commands that are missing here change nothing of a tenant's, or are exempt for a reason
(`NOT_AUDITED`).
"""

import getpass
from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager

from blocks.audit import recording
from blocks.contracts.records.audit import Act
from blocks.ports import RecordStore

ACTION_OF: Mapping[str, str] = {
    "executions start": "execution.start",
    "executions cancel": "execution.cancel",
    "executions retry": "execution.retry",
    "executions rerun": "execution.rerun",
    "approvals approve": "approval.decide",
    "approvals reject": "approval.decide",
    "approvals ask": "approval.ask",
    "approvals answer": "approval.answer",
    "stand-ins name": "stand-in.name",
    "stand-ins end": "stand-in.end",
    "definitions set": "definition.set",
    "definitions reset": "definition.reset",
    "claims settle-fee": "fee.decide",
    "workflows trigger": "execution.start",
    "jobs trigger": "job.trigger",
    "jobs backfill": "job.trigger",
    "dispatch set": "dispatch.set",
    "dispatch reset": "dispatch.reset",
    "webhooks add": "webhook.add",
    "webhooks rotate": "webhook.change",
    "webhooks remove": "webhook.remove",
    "keys create": "key.create",
    "keys revoke": "key.revoke",
    "login-link": "key.create",
    "dead-letters edit": "dead-letter.edit",
    "dead-letters replay": "dead-letter.replay",
    "dead-letters discard": "dead-letter.discard",
    "migrate": "older-service.migrate",
}

NOT_AUDITED: Mapping[str, str] = {
    "up": (
        "starts processes; its development key and its login link are for the demo tenant of one "
        "machine, and the link's use is on the log"
    ),
    "demo": (
        "publishes an event and looks at what comes of it, with a key that may only look and "
        "goes when it ends"
    ),
    "demo claims": (
        "triggers phases, as the platform's services do, with a key that goes when it ends"
    ),
    "demo operations": ("starts operations of a stack of its own, whose records are the demo's"),
    "emit": (
        "publishes an event, as any service of the platform does; its execution names the event"
    ),
    "events publish": (
        "publishes an event, as any service of the platform does; the log of events has it"
    ),
    "ops log-rotation now": "works on files of this machine, and on no record",
    "bootstrap": "creates what is missing, and changes no tenant's record",
    "republish": "publishes what the records state, under its first ids, and changes no record",
    "doctor": "with --fix does once what the reconciler does all the time, and decides nothing",
    "ops performance-optimization now": (
        "vacuums and purges what the settings allow, and changes nothing of a tenant's"
    ),
    "ops security-audit now": "stores a report, and changes nothing that it looks at",
    "ops backup now": "copies databases, and changes nothing of a tenant's",
    "ops backup verify": "writes beside the archive how it compared",
    "ops backup restore": (
        "works while the records, and so the audit log, are away: it may be what brings them back; "
        "PostgreSQL's log names its session"
    ),
    "ops cache-warmup now": "asks for pages, as any reader does",
    "ops health-monitoring now": "looks, and changes nothing",
    "ops cms-sync now": "copies what the CMS shows, and changes nothing of a tenant's",
    "ops notification-digest now": "sends people what the records have, and changes none of them",
    "ops sales-operations now": "asks the CRM and the AI workflow, and changes no record",
    "ops user-onboarding now": "asks services of the platform, as the events of a new user do",
    "webhooks test": "sends one event and changes nothing",
    **dict.fromkeys(
        ("api", "listener", "worker", "simulators"),
        "is a process; what comes through it is recorded by it",
    ),
}
"""Commands that change something, and why that is not audited."""


def terminal_user() -> str:
    """The user at this terminal, for the audit log."""
    try:
        return f"cli:{getpass.getuser()}"
    except (KeyError, OSError):  # a container's user may have no name
        return "cli:unknown"


def audited(
    store: RecordStore, tenant_id: str, command: str, actor: str, target: str | None = None
) -> AbstractAsyncContextManager[RecordStore]:
    """What the command changes through the store that this yields is on the tenant's audit log."""
    act = Act(
        action=ACTION_OF[command], actor=actor, credential="terminal", channel="cli", target=target
    )
    return recording.audited(store, tenant_id, act)
