"""Computed ids: the same cause always has the same id, so doing a thing twice is doing it once.

Every id is a uuid5 in one namespace. Changing the namespace or a name below gives every running
execution a second identity: never change them, add new ones.

An execution that is retried keeps its id and its steps' ids. What is requested and announced again
has the number of the retry in its id: every end of an execution is one event, and a worker of an
earlier try can only repeat events of that try.
"""

import hashlib
from functools import lru_cache
from uuid import UUID

from blocks.contracts.reading.uuids import matching_id

NAMESPACE = UUID("6d0f6a0e-5f0b-5c53-9d7b-0f1b6f6f2a51")

_of_namespace = hashlib.sha1(NAMESPACE.bytes, usedforsecurity=False)

SYSTEM_TENANT = "00000000-0000-0000-0000-000000000001"
"""Tenant of what belongs to the platform itself: job triggers, worker heartbeats, the tenant
directory.
"""


def execution_id(tenant_id: str, workflow: str, trigger_event_id: str) -> str:
    """Id of the execution that this event causes; it is the `workflowId` on the wire."""
    return _computed("execution", tenant_id, workflow, trigger_event_id)


def step_id(execution_id: str, step: str) -> str:
    """The `stepId` of the wire."""
    return _computed("step", execution_id, step)


def step_record_id(execution_id: str, step: str, retry: int = 0) -> str:
    """Key of the one record a step leaves in a try: its first writer decides how the step ended."""
    return ":".join((execution_id, step, *_of_retry(retry)))


def started_event_id(execution_id: str, retry: int = 0) -> str:
    return _computed("started", execution_id, *_of_retry(retry))


def step_requested_event_id(execution_id: str, step: str, retry: int = 0) -> str:
    return _computed("step-requested", execution_id, step, *_of_retry(retry))


def step_started_event_id(execution_id: str, step: str, attempt: int) -> str:
    """A step that was interrupted is begun again, by a later attempt at the execution."""
    return _computed("step-started", execution_id, step, str(attempt))


def step_completed_event_id(execution_id: str, step: str, retry: int = 0) -> str:
    return _computed("step-completed", execution_id, step, *_of_retry(retry))


def terminal_event_id(execution_id: str, retry: int = 0) -> str:
    """A try ends once: completed and failed share this id, so only one of them can be announced."""
    return _computed("terminal", execution_id, *_of_retry(retry))


def start_id(tenant_id: str, workflow: str, key: str) -> str:
    """Id of the request to start an execution; used in place of a causing event's id."""
    return _computed("start", tenant_id, workflow, key)


def rerun_id(execution_id: str, number: int) -> str:
    """Id of the request to rerun an execution; 0: for the first time."""
    return _computed("rerun", execution_id, str(number))


def approval_id(execution_id: str, gate: str, retry: int = 0) -> str:
    return _computed("approval", execution_id, gate, *_of_retry(retry))


def approval_event_id(approval_id: str, what: str) -> str:
    """Id of the event that announces `what` ("requested", "reminded-3") about an approval."""
    return _computed("approval-event", approval_id, what)


def stand_in_id(tenant_id: str, person: str) -> str:
    """Key of who stands in for this person; at most one at a time does."""
    return _computed("stand-in", tenant_id, person)


def job_trigger_event_id(job: str, scheduled_tick: str) -> str:
    return _computed("job-trigger", job, scheduled_tick)


def idempotency_id(tenant_id: str, route: str, key: str) -> str:
    """Id of the record of what a route answered the tenant under an Idempotency-Key."""
    return _computed("idempotency", tenant_id, route, key)


def webhook_delivery_id(subscription_id: str, event_id: str) -> str:
    """Id of the message that has one event delivered to one subscription."""
    return _computed("webhook-delivery", subscription_id, event_id)


def dead_letter_id(queue: str, message_id: str, digest: str) -> str:
    """Id of what is kept of a message that this queue's consumer refused; another body is another
    letter.
    """
    return _computed("dead-letter", queue, message_id, digest)


def dead_letter_beside(letter_id: str) -> str:
    """Id under which a letter is kept whose record cannot be read."""
    return _computed("dead-letter-beside", letter_id)


@lru_cache(maxsize=1024)
def trace_id(execution_id: str) -> str:
    """The trace of an execution whose event came without one: 32 hexadecimal digits."""
    return _computed("trace", execution_id).replace("-", "")


def span_id(execution_id: str, part: str, retry: int = 0) -> str:
    """The span of a part of an execution: 16 hexadecimal digits."""
    return _computed("span", execution_id, part, *_of_retry(retry)).replace("-", "")[16:]


def journey_id(tenant_id: str, user_id: str, sync_id: str) -> str:
    """Id of the execution that is a user's journey through claim recovery."""
    return _computed("journey", tenant_id, matching_id(user_id), matching_id(sync_id))


def claim_key(tenant_id: str, user_id: str, claim_id: str) -> str:
    """Key of what is kept of one claim of a user."""
    return _computed("claim", tenant_id, matching_id(user_id), matching_id(claim_id))


def phase_record_id(owner: str, phase: int) -> str:
    """`owner`: the journey's id of phases 1 to 4, the claim's key of phases 5 to 7."""
    return f"{owner}:phase-{phase}"


def phase_log_id(phase_record_id: str, round: int, mark: str, attempt: int = 0) -> str:
    """Also the id of the event that publishes it."""
    return _computed("phase-log", phase_record_id, str(round), mark, str(attempt))


def fee_id(claim_key: str) -> str:
    """A claim has one fee; it is also the Idempotency-Key of its charge."""
    return _computed("fee", claim_key)


def packet_id(claim_key: str) -> str:
    return _computed("packet", claim_key)


def packet_download_id(nonce: str) -> str:
    """Id of the audit entry of the first download through a link."""
    return _computed("packet-download", nonce)


def phase_call_id(phase_record_id: str, round: int) -> str:
    """The Idempotency-Key of what a round of a phase asks of a service."""
    return _computed("phase-call", phase_record_id, str(round))


def notification_id(key: str, number: int | None = None) -> str:
    """Id of the record of what is sent under this key; with a number, of that message."""
    return _computed("notification", key, *([] if number is None else [str(number)]))


def operation_state_id(operation: str, subject: str) -> str:
    """Key of what an operation knows of a subject from one run to the next."""
    return _computed("operation-state", operation, subject)


def turn_id(work: str) -> str:
    """Key of whose turn it is among the executions of this work."""
    return _computed("turn", work)


def digest_id(digest: str, address: str) -> str:
    """Key of what a digest has for an address."""
    return _computed("digest", digest, address)


def operation_call_id(operation: str, subject: str, call: str) -> str:
    """The Idempotency-Key of what an operation asks of a service, once for this subject."""
    return _computed("operation-call", operation, subject, call)


def platform_event_id(event_id: str) -> str:
    """Key of an event in the log of operations; senders choose the event's own id."""
    return _computed("platform-event", event_id)


def flow_run_key(execution_ids: list[str], reason: str) -> str:
    """Prefect's idempotency key of a flow run that carries these executions, in any order."""
    return _computed("flow-run", reason, *sorted(execution_ids))


def _of_retry(retry: int) -> tuple[str, ...]:
    """Nothing for the first try: its ids are as they were before there were retries."""
    return (f"retry-{retry}",) if retry else ()


def _computed(kind: str, *names: str) -> str:
    """`str(uuid5(NAMESPACE, …))` without a `UUID` in between, which takes three times as long: an
    execution has some thirty computed ids.
    """
    digest = _of_namespace.copy()
    digest.update("\x1f".join((kind, *names)).encode())
    text = digest.hexdigest()
    variant = _VARIANTS[text[16]]
    return f"{text[:8]}-{text[8:12]}-5{text[13:16]}-{variant}{text[17:20]}-{text[20:32]}"


_VARIANTS = {digit: "89ab"[int(digit, 16) % 4] for digit in "0123456789abcdef"}
"""The first digit of a UUID's fourth group: two bits of it say which kind of UUID it is."""
