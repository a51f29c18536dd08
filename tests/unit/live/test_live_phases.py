"""The phases of claim recovery in the stream of events, under their own names."""

from api.live.filters import Filters, types_in
from api.live.hub import Hub
from blocks.claims.log import event_of
from blocks.messages import to_message
from tests.support.api.live import live_settings
from tests.support.claims.phase_entries import an_entry
from tests.support.factories import A_TENANT, ANOTHER_TENANT


def test_a_tenant_follows_its_phases_and_no_others() -> None:
    hub = Hub(live_settings())
    follower = hub.admit(A_TENANT, Filters())
    entries = [an_entry(phase, mark) for phase in range(1, 8) for mark in ("started", "completed")]
    foreign = an_entry(1, tenant_id=ANOTHER_TENANT)
    for entry in (*entries, foreign, an_entry(3, "failed", error="no answer")):
        hub.on_event(to_message(event_of(entry)))

    shown = [entry.event for entry in follower.read()]

    assert [f"workflow.phase.{entry.phase}.{entry.mark}" for entry in entries] == [
        event.type for event in shown[:-1]
    ]
    assert ("workflow.phase.3.failed", "no answer") == (shown[-1].type, shown[-1].data["error"])
    assert {(A_TENANT, "claim-recovery", "ann")} == {
        (event.tenant_id, event.workflow, event.subject) for event in shown
    }


def test_a_phase_can_be_asked_for_by_its_name_and_its_journey() -> None:
    hub = Hub(live_settings())
    wanted, other_phase, other_journey = an_entry(2), an_entry(3), an_entry(2)
    types = types_in("workflow.phase.2.completed")
    follower = hub.admit(A_TENANT, Filters(execution_id=wanted.execution_id, types=types))
    for entry in (wanted, other_phase, other_journey):
        hub.on_event(to_message(event_of(entry)))

    assert [wanted.id] == [entry.event.event_id for entry in follower.read()]
