"""What an API process has received, and what it sends its followers."""

from collections.abc import Callable
from datetime import datetime, timedelta

import pytest
from msgspec.structs import replace

from api.http.errors import InvalidRequest
from api.live.cursor import Cursor, cursor_in
from api.live.errors import TooManyFollowers, TooManyOfTenant
from api.live.filters import Filters, types_in
from api.live.follower import Behind, Follower
from api.live.hub import DISORDER_EVENTS, Hub
from blocks.clock import utc_now
from blocks.contracts.events import HitlApprovalCompleted, OpportunityAnalysisStarted
from blocks.contracts.records import ExecutionRecord
from blocks.ports import Message
from tests.support.api.live import a_step_event, event_message, live_settings, step_events
from tests.support.factories import A_TENANT, ANOTHER_TENANT, an_execution, new_id, now

EVERYTHING = Filters()


class Clock:
    """Stands still until it is put forward."""

    def __init__(self) -> None:
        self._now = utc_now()

    def __call__(self) -> datetime:
        return self._now

    def forward(self, seconds: float) -> None:
        self._now += timedelta(seconds=seconds)


def a_hub(clock: Callable[[], datetime] = utc_now, **changes: float) -> Hub:
    return Hub(live_settings(**changes), clock)


def receive(hub: Hub, *messages: Message) -> list[str]:
    """The hub has received these; returns their ids."""
    for message in messages:
        hub.on_event(message)
    return [message.id for message in messages]


def all_read(follower: Follower) -> list[str]:
    read: list[str] = []
    while found := follower.read():
        read += [entry.event.event_id for entry in found]
    return read


def last_cursor(hub: Hub, follower: Follower) -> Cursor:
    """Where the follower stands after reading everything."""
    entry = None
    while found := follower.read():
        entry = found[-1]
    return hub.behind(entry) if entry else hub.now()


# --- following ------------------------------------------------------------------------------------


def test_a_follower_reads_its_tenants_events_in_order_and_no_others() -> None:
    hub = a_hub()
    receive(hub, a_step_event())
    follower = hub.admit(A_TENANT, EVERYTHING)

    mine = [
        receive(hub, a_step_event(), a_step_event(tenant_id=ANOTHER_TENANT))[0] for _ in range(200)
    ]

    assert mine == all_read(follower)


def test_an_event_that_was_published_twice_is_read_once() -> None:
    hub = a_hub()
    follower = hub.admit(A_TENANT, EVERYTHING)

    receive(hub, message := a_step_event(), a_step_event(), message)

    assert 2 == len(all_read(follower))


@pytest.mark.parametrize(
    "message",
    [
        replace(a_step_event(), body=b"{"),
        replace(
            a_step_event(),
            body=a_step_event().body.replace(b"workflow-orchestrator", b"another-source"),
        ),
        replace(
            a_step_event(), body=a_step_event().body.replace(b"step.completed", b"step.requested")
        ),
        replace(a_step_event(), cut_from=300_000),
    ],
    ids=["no JSON", "another service's", "of another type", "too large"],
)
def test_what_is_no_event_for_tenants_is_passed_over(message: Message) -> None:
    hub = a_hub()
    follower = hub.admit(A_TENANT, EVERYTHING)

    receive(hub, message)

    assert [] == all_read(follower)


# --- filters --------------------------------------------------------------------------------------

ONE: ExecutionRecord = an_execution()
STARTED = event_message(
    OpportunityAnalysisStarted(workflow_id=ONE.id, opportunity_id=ONE.subject, timestamp=now()), ONE
)
STEP = a_step_event(ONE)
DECIDED = event_message(
    HitlApprovalCompleted(
        tenant_id=A_TENANT,
        opportunity_id=ONE.subject,
        approval_id=new_id(),
        approved=True,
        decided_by="ann",
        decided_at=now(),
    ),
    ONE,
)


@pytest.mark.parametrize(
    ("filters", "passing"),
    [
        (Filters(execution_id=ONE.id), [STARTED, STEP, DECIDED]),
        (Filters(subject=ONE.subject), [STARTED, STEP, DECIDED]),
        (Filters(workflow="opportunity-analysis"), [STARTED, STEP, DECIDED]),
        (
            Filters(types=types_in("workflow.step.completed, hitl.approval.completed")),
            [STEP, DECIDED],
        ),
        (
            Filters(execution_id=ONE.id, types=types_in("workflow.opportunity.analysis.started")),
            [STARTED],
        ),
        (Filters(execution_id=new_id()), []),
        (Filters(subject="another"), []),
        (Filters(workflow="another"), []),
    ],
)
def test_an_event_is_delivered_when_it_fits_every_filter(
    filters: Filters, passing: list[Message]
) -> None:
    hub = a_hub()
    follower = hub.admit(A_TENANT, filters)

    receive(hub, STARTED, STEP, DECIDED)

    assert [message.id for message in passing] == all_read(follower)


def test_what_an_older_publisher_did_not_say_in_headers_is_taken_from_the_data() -> None:
    hub = a_hub()
    follower = hub.admit(
        A_TENANT, Filters(execution_id=ONE.id, subject=ONE.subject, workflow="opportunity-analysis")
    )

    receive(hub, replace(STARTED, headers={}))

    assert [STARTED.id] == all_read(follower)


def test_an_event_type_that_cannot_be_followed_is_refused_with_those_that_can() -> None:
    with pytest.raises(
        InvalidRequest, match=r"unknown: 'workflow\.risk\.analysis\.requested'; known: workflow"
    ):
        types_in("workflow.step.completed,workflow.risk.analysis.requested")


# --- coming back ----------------------------------------------------------------------------------


def test_who_comes_back_to_the_same_process_reads_exactly_what_came_meanwhile() -> None:
    hub = a_hub()
    follower = hub.admit(A_TENANT, EVERYTHING)
    receive(hub, *step_events(3))
    cursor = last_cursor(hub, follower)
    hub.dismiss(follower)

    meanwhile = receive(hub, *step_events(100))

    assert meanwhile == all_read(hub.admit(A_TENANT, EVERYTHING, cursor))


def cursor_after(hub: Hub, *messages: Message) -> Cursor:
    """Where a client stands that received these."""
    follower = hub.admit(A_TENANT, EVERYTHING)
    receive(hub, *messages)
    return last_cursor(hub, follower)


def test_who_comes_back_to_another_process_misses_nothing_received_in_another_order() -> None:
    clock = Clock()
    here, there = a_hub(clock), a_hub(clock)
    clock.forward(60)
    first, second, third = step_events(3)
    cursor = cursor_after(here, first)

    receive(there, second, first, third)

    assert {second.id, third.id} <= set(all_read(there.admit(A_TENANT, EVERYTHING, cursor)))


def test_who_comes_back_misses_nothing_though_the_process_it_comes_from_was_behind() -> None:
    clock = Clock()
    here, there = a_hub(clock), a_hub(clock)
    clock.forward(60)
    messages = step_events(10)
    receive(there, *messages)
    clock.forward(300)

    cursor = cursor_after(here, *messages[:5])

    assert messages[-1].id in (received := all_read(there.admit(A_TENANT, EVERYTHING, cursor)))
    assert {message.id for message in messages[5:]} <= set(received)


def test_who_comes_back_misses_nothing_though_the_process_it_comes_to_stood_still_in_between() -> (
    None
):
    clock = Clock()
    here, there = a_hub(clock), a_hub(clock)
    clock.forward(60)
    first, second = step_events(2)
    receive(there, second)
    clock.forward(20)
    receive(there, first)

    cursor = cursor_after(here, first)

    assert second.id in all_read(there.admit(A_TENANT, EVERYTHING, cursor))


def test_who_comes_back_to_another_process_is_not_sent_everything_again() -> None:
    clock = Clock()
    here, there = a_hub(clock), a_hub(clock)
    clock.forward(60)
    messages = step_events(DISORDER_EVENTS + 50)
    receive(there, *messages)
    clock.forward(5)
    receive(there, latest := a_step_event())

    received = all_read(there.admit(A_TENANT, EVERYTHING, cursor_after(here, latest)))

    assert [message.id for message in (*messages[-DISORDER_EVENTS + 1 :], latest)] == received


def test_who_received_nothing_yet_comes_back_by_the_clock() -> None:
    clock = Clock()
    here, there = a_hub(clock), a_hub(clock)
    clock.forward(60)
    receive(there, a_step_event())
    clock.forward(40)
    recent = receive(there, a_step_event())
    clock.forward(10)
    cursor = here.now()

    later = receive(there, a_step_event())

    assert [*recent, *later] == all_read(there.admit(A_TENANT, EVERYTHING, cursor))


def test_a_process_that_is_younger_than_what_it_is_asked_for_says_so() -> None:
    cursor = a_hub().now()
    younger = a_hub()
    receive(younger, *step_events(3))

    follower = younger.admit(A_TENANT, EVERYTHING, cursor)

    with pytest.raises(Behind):
        follower.read()
    assert [] == all_read(follower)
    assert receive(younger, a_step_event()) == all_read(follower)


def test_after_an_interruption_of_the_bus_every_follower_is_asked_once_to_read_again() -> None:
    hub = a_hub()
    followers = [hub.admit(A_TENANT, EVERYTHING), hub.admit(ANOTHER_TENANT, EVERYTHING)]
    cursor = hub.now()

    hub.on_gap()

    for follower in (*followers, hub.admit(A_TENANT, EVERYTHING, cursor)):
        with pytest.raises(Behind):
            follower.read()
        assert [] == all_read(follower)


def test_a_follower_that_came_after_the_interruption_is_not_informed_of_it() -> None:
    hub = a_hub()
    hub.on_gap()

    follower = hub.admit(A_TENANT, EVERYTHING)

    assert receive(hub, a_step_event()) == all_read(follower)


@pytest.mark.parametrize(
    "cursor",
    [
        lambda hub: replace(hub.now(), number=10_000),
        lambda hub: replace(hub.now(), instance="00000000", at=utc_now() + timedelta(days=1)),
        lambda hub: replace(hub.now(), instance="00000000", at=utc_now() - timedelta(days=400)),
    ],
    ids=["of the future", "of tomorrow", "of last year"],
)
def test_a_cursor_that_cannot_be_is_one_that_nothing_is_known_of(cursor: object) -> None:
    hub = a_hub()
    assert callable(cursor)

    with pytest.raises(Behind):
        hub.admit(A_TENANT, EVERYTHING, cursor(hub)).read()


def test_a_cursor_is_read_as_it_was_written_and_by_its_tenant_only() -> None:
    cursor = a_hub().now()
    written = cursor.written(A_TENANT)

    assert cursor == cursor_in(written, A_TENANT, "header")
    for tenant_id, other in (
        (ANOTHER_TENANT, written),
        (A_TENANT, written[:-1]),
        (A_TENANT, "42"),
        (A_TENANT, " "),
    ):
        with pytest.raises(InvalidRequest):
            cursor_in(other, tenant_id, "header")


# --- limits ---------------------------------------------------------------------------------------


def test_a_busy_tenant_pushes_out_its_own_events_only_and_the_memory_is_bounded() -> None:
    hub = a_hub(kept_megabytes=1)
    quiet, busy = hub.admit(ANOTHER_TENANT, EVERYTHING), hub.admit(A_TENANT, EVERYTHING)
    theirs = receive(hub, *step_events(5, tenant_id=ANOTHER_TENANT))

    latest = receive(hub, *step_events(1000, result={"text": "x" * 5000}))[-1]

    assert hub._bytes <= 1024 * 1024
    assert theirs == all_read(quiet)
    with pytest.raises(Behind):
        busy.read()
    assert latest in all_read(
        hub.admit(A_TENANT, EVERYTHING, replace(hub.now(), number=hub.now().number - 3))
    )


def test_a_tenant_and_a_process_have_so_many_followers_and_no_more() -> None:
    hub = a_hub(clients_per_tenant=2, clients_max=3)
    first = hub.admit(A_TENANT, EVERYTHING)
    hub.admit(A_TENANT, EVERYTHING)
    with pytest.raises(TooManyOfTenant):
        hub.admit(A_TENANT, EVERYTHING)
    hub.admit(ANOTHER_TENANT, EVERYTHING)
    with pytest.raises(TooManyFollowers):
        hub.admit(ANOTHER_TENANT, EVERYTHING)

    hub.dismiss(first)
    hub.dismiss(first)

    hub.admit(ANOTHER_TENANT, EVERYTHING)


def test_a_hub_that_is_closed_ends_its_followers_and_admits_none() -> None:
    hub = a_hub()
    follower = hub.admit(A_TENANT, EVERYTHING)

    hub.close()

    assert follower.is_ending
    with pytest.raises(TooManyFollowers):
        hub.admit(A_TENANT, EVERYTHING)
