"""The books of a whole run: what was confirmed against what came out. It knows nothing of how the
run went.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence

import msgspec

from blocks.contracts.records import ExecutionRecord
from blocks.contracts.records.dead_letters import DeadLetterRecord
from tests.support.system.ledger import REQUESTED, TERMINAL, Envelope, Ledger

_REQUESTS = len(REQUESTED)


class Books(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that is known about a run when it is over."""

    confirmed: Mapping[str, str]
    """Id of every opportunity event that the broker confirmed, to its tenant."""
    toxic: Mapping[str, str] = {}
    """Id of every message that must be refused, to the code it must be refused with."""
    wanted: Mapping[str, tuple[str, ...]] = {}
    """Executions that a person cancelled or decided, to the statuses they may have; all others are
    `completed`.
    """
    answered_early: frozenset[str] = frozenset()
    """Executions with a step that was answered before it was asked for: that request may be
    missing.
    """
    executions: Sequence[ExecutionRecord]
    wire: Ledger
    letters: Sequence[DeadLetterRecord] = ()
    """Whatever was refused by the consumer of the intake queue."""
    left: Mapping[str, int] = {}
    """Queues to the messages in them, unacknowledged ones included, when all should be done."""


class Finding(msgspec.Struct, frozen=True):
    """One promise, and every breach of it, each in a few words."""

    promise: str
    breaches: list[str]


def audit(books: Books) -> list[Finding]:
    """Every promise in the order of the invariants I1 to I7; kept if its list is empty."""
    ids = _event_ids(books.wire.seen)
    return [
        Finding("I1 confirmed events lost", _lost(books)),
        Finding("I1 events with two executions", _doubled(books)),
        Finding("I1 executions without a cause", _unexpected(books)),
        Finding("I2 executions not ended, or their end not confirmed", _open(books)),
        Finding("I2 executions without exactly one terminal event id", _ends(books, ids)),
        Finding("I2 executions that ended otherwise than they should", _otherwise(books)),
        Finding("I3 executions without exactly four request ids", _requests(books, ids)),
        Finding(
            "I4 things published under two ids", [str(thing) for thing in books.wire.second_ids()]
        ),
        Finding("I5 tenants mixed up", _mixed_up(books)),
        Finding("I6 toxic messages not refused with their code", _unrefused(books)),
        Finding("I6 messages refused without cause", _refused_without_cause(books)),
        Finding(
            "I7 queues not empty",
            [f"{queue}: {count}" for queue, count in books.left.items() if count],
        ),
    ]


def _lost(books: Books) -> list[str]:
    return sorted(books.confirmed.keys() - _causes(books).keys())


def _doubled(books: Books) -> list[str]:
    return [event_id for event_id, count in _causes(books).items() if count > 1]


def _unexpected(books: Books) -> list[str]:
    return [
        one.id for one in books.executions if not set(one.trigger_ids) <= books.confirmed.keys()
    ]


def _open(books: Books) -> list[str]:
    return [
        f"{one.id} is {one.status}, announced {one.announced_at}"
        for one in books.executions
        if not (one.is_terminal and one.announced_at)
    ]


def _ends(books: Books, ids: "_EventIds") -> list[str]:
    known = {one.id for one in books.executions}
    wrong = [f"{id}: {len(ids[id, TERMINAL])}" for id in known if len(ids[id, TERMINAL]) != 1]
    unknown = {id for id, types in ids if types == TERMINAL} - known
    return wrong + [f"{id}: ended and does not exist" for id in unknown]


def _otherwise(books: Books) -> list[str]:
    return [
        f"{one.id} is {one.status}, not {' or '.join(wanted)}: {one.error_code} {one.error}"
        for one in books.executions
        if one.is_terminal
        and one.status not in (wanted := books.wanted.get(one.id, ("completed",)))
    ]


def _requests(books: Books, ids: "_EventIds") -> list[str]:
    """One that was cancelled or answered early may have asked for less; none ever
    asks for more.
    """
    counts = {one.id: len(ids[one.id, REQUESTED]) for one in books.executions}
    may_be_fewer = {
        one.id for one in books.executions if one.status == "cancelled"
    } | books.answered_early
    return [
        f"{id}: {count}"
        for id, count in counts.items()
        if count > _REQUESTS or (count < _REQUESTS and id not in may_be_fewer)
    ]


def _mixed_up(books: Books) -> list[str]:
    tenants = {one.id: one.tenant_id for one in books.executions}
    misdirected = [
        f"{event['type']} of {execution_id} published to {event['tenantId']}"
        for event in books.wire.seen
        if (execution_id := _execution(event)) in tenants
        and event["tenantId"] != tenants[execution_id]
    ]
    caused = [
        f"{one.id} of {one.tenant_id} caused by {event_id}"
        for one in books.executions
        for event_id in one.trigger_ids
        if books.confirmed.get(event_id, one.tenant_id) != one.tenant_id
    ]
    return misdirected + caused


def _unrefused(books: Books) -> list[str]:
    refused = {(letter.message_id, letter.code) for letter in books.letters}
    return [f"{id}: {code}" for id, code in books.toxic.items() if (id, code) not in refused]


def _refused_without_cause(books: Books) -> list[str]:
    return [
        f"{letter.routing_key} {letter.message_id}: {letter.code}"
        for letter in books.letters
        if books.toxic.get(letter.message_id) != letter.code
    ]


def _causes(books: Books) -> Counter[str]:
    """How many executions list each event."""
    return Counter(event_id for one in books.executions for event_id in set(one.trigger_ids))


_EventIds = defaultdict[tuple[str, tuple[str, ...]], set[str]]
"""Of each execution, the ids under which its ends and its requests were published."""


def _event_ids(seen: Iterable[Envelope]) -> _EventIds:
    ids: _EventIds = defaultdict(set)
    for event in seen:
        for types in (TERMINAL, REQUESTED):
            if event["type"] in types:
                ids[_execution(event), types].add(event["id"])
    return ids


def _execution(event: Envelope) -> str:
    return str(event["data"].get("workflowId", ""))
