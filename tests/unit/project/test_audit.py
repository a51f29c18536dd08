"""The audit of a run's books: every kind of breach is found, and books that balance are left in
peace.
"""

from typing import Any
from uuid import uuid4

import pytest

from blocks.contracts.records import ExecutionRecord
from blocks.contracts.records.dead_letters import DeadLetterRecord
from blocks.dead_letters.letters import letter_of
from tests.support.factories import (
    A_TENANT,
    ANOTHER_TENANT,
    a_dead_letter,
    an_execution,
    new_id,
    now,
)
from tests.support.system.audit import Books, audit
from tests.support.system.ledger import REQUESTED, TERMINAL, Envelope, Ledger


def ended(**changes: Any) -> ExecutionRecord:
    return an_execution(
        **{"status": "completed", "completed_at": now(), "announced_at": now(), **changes}
    )


def published(execution: ExecutionRecord, event_type: str, **changes: Any) -> Envelope:
    data = {"workflowId": execution.id}
    return {
        "id": new_id(),
        "type": event_type,
        "tenantId": execution.tenant_id,
        "source": "x",
        "data": data,
        **changes,
    }


def wire_of(*executions: ExecutionRecord) -> Ledger:
    """What a system that works publishes about these."""
    ledger = Ledger()
    for execution in executions:
        ledger.seen += [
            published(execution, event_type) for event_type in (*REQUESTED, TERMINAL[0])
        ]
    return ledger


def books_of(*executions: ExecutionRecord, **changes: Any) -> Books:
    """Books that balance, but for the changes."""
    causes = {event_id: one.tenant_id for one in executions for event_id in one.trigger_ids}
    return Books(
        **{"confirmed": causes, "executions": executions, "wire": wire_of(*executions), **changes}
    )


def letter(id: str, code: str) -> DeadLetterRecord:
    return letter_of("x", a_dead_letter(id=id, code=code, routing_key="x"))


def broken(books: Books) -> dict[str, list[str]]:
    """Only what is wrong."""
    return {finding.promise: finding.breaches for finding in audit(books) if finding.breaches}


def test_books_that_balance_show_no_breach() -> None:
    refused = {"toxic": {"t": "too-large"}, "letters": [letter("t", "too-large")]}
    assert {} == broken(
        books_of(ended(), ended(tenant_id=ANOTHER_TENANT), left={"q": 0}, **refused)
    )


def test_a_confirmed_event_without_an_execution_is_lost() -> None:
    books = books_of(one := ended(), confirmed={one.trigger_ids[0]: A_TENANT, "gone": A_TENANT})
    assert {"I1 confirmed events lost": ["gone"]} == broken(books)


def test_an_event_that_an_execution_absorbed_is_not_lost() -> None:
    one = ended(trigger_ids=["first", "second"])
    assert {} == broken(books_of(one))


def test_an_event_with_two_executions_is_doubled() -> None:
    books = books_of(ended(trigger_ids=["twice"]), ended(trigger_ids=["twice"]))
    assert {"I1 events with two executions": ["twice"]} == broken(books)


def test_an_execution_that_no_confirmed_event_caused_is_unexpected() -> None:
    one = ended()
    assert {"I1 executions without a cause": [one.id]} == broken(books_of(one, confirmed={}))


@pytest.mark.parametrize("missing", ["completed_at", "announced_at"])
def test_an_execution_that_has_not_ended_or_was_not_announced_is_open(missing: str) -> None:
    one = ended(announced_at=None, **({"status": "running"} if missing == "completed_at" else {}))
    assert ["I2 executions not ended, or their end not confirmed"] == list(broken(books_of(one)))


def test_an_execution_whose_end_was_announced_under_two_ids_ended_twice() -> None:
    books = books_of(one := ended())
    books.wire.seen.append(published(one, TERMINAL[1]))
    found = broken(books)
    assert [f"{one.id}: 2"] == found["I2 executions without exactly one terminal event id"]
    assert "I4 things published under two ids" in found


def test_a_terminal_event_that_comes_twice_under_one_id_is_no_breach() -> None:
    books = books_of(ended())
    books.wire.seen.append(books.wire.seen[-1])
    assert {} == broken(books)


def test_an_end_that_was_never_announced_is_missed() -> None:
    books = books_of(one := ended())
    del books.wire.seen[-1]
    assert {"I2 executions without exactly one terminal event id": [f"{one.id}: 0"]} == broken(
        books
    )


def test_the_end_of_an_execution_that_does_not_exist_is_found() -> None:
    unknown = ended()
    books = books_of(ended())
    books.wire.seen.append(published(unknown, TERMINAL[0]))
    assert [f"{unknown.id}: ended and does not exist"] == broken(books)[
        "I2 executions without exactly one terminal event id"
    ]


def test_an_unplanned_failure_is_found() -> None:
    one = ended(status="failed", error_code="worker-lost", error="gone")
    assert {
        "I2 executions that ended otherwise than they should": [
            f"{one.id} is failed, not completed: worker-lost gone"
        ]
    } == broken(books_of(one))


def test_a_cancelled_execution_may_have_asked_for_less() -> None:
    one = ended(status="cancelled")
    books = books_of(one, wanted={one.id: ("cancelled",)})
    del books.wire.seen[0]
    assert {} == broken(books)


def test_an_execution_that_was_answered_early_may_have_asked_for_less() -> None:
    one = ended()
    books = books_of(one, answered_early=frozenset({one.id}))
    del books.wire.seen[0]
    assert {} == broken(books)


@pytest.mark.parametrize("requests", [3, 5])
def test_a_completed_execution_made_exactly_four_requests(requests: int) -> None:
    books = books_of(one := ended())
    if requests == 3:
        del books.wire.seen[0]
    else:
        books.wire.seen.append(published(one, REQUESTED[0]))
    assert [f"{one.id}: {requests}"] == broken(books)[
        "I3 executions without exactly four request ids"
    ]


def test_an_event_published_to_another_tenant_is_found() -> None:
    books = books_of(one := ended())
    books.wire.seen.append(published(one, "workflow.step.completed", tenantId=ANOTHER_TENANT))
    assert [f"workflow.step.completed of {one.id} published to {ANOTHER_TENANT}"] == broken(books)[
        "I5 tenants mixed up"
    ]


def test_an_execution_under_another_tenant_than_its_event_is_found() -> None:
    one = ended()
    books = books_of(one, confirmed={one.trigger_ids[0]: ANOTHER_TENANT})
    assert ["I5 tenants mixed up"] == list(broken(books))


def test_a_toxic_message_that_was_not_refused_is_found() -> None:
    assert {"I6 toxic messages not refused with their code": ["t: too-large"]} == broken(
        books_of(ended(), toxic={"t": "too-large"})
    )


def test_a_toxic_message_refused_with_another_code_is_found() -> None:
    books = books_of(ended(), toxic={"t": "too-large"}, letters=[letter("t", "poison")])
    assert 2 == len(broken(books))


def test_a_good_message_among_the_dead_letters_is_found() -> None:
    books = books_of(ended(), letters=[letter("good", "poison")])
    assert {"I6 messages refused without cause": ["x good: poison"]} == broken(books)


def test_a_message_that_is_left_in_a_queue_is_found() -> None:
    name = str(uuid4())
    assert {"I7 queues not empty": [f"{name}: 2"]} == broken(
        books_of(ended(), left={name: 2, "empty": 0})
    )
