"""Who is next: tenants by weight and priority, executions by priority and age."""

from collections import Counter
from collections.abc import Callable

from blocks.contracts.records import TenantShare
from listeners.dispatch.fair_queue import FairQueue, Lane
from tests.support.dispatch import a_queue


def lane(tenant: str, workflow: str = "a-workflow") -> Lane:
    return Lane(tenant, workflow)


def fill(queue: FairQueue, tenant: str, executions: int) -> None:
    for number in range(executions):
        queue.put(lane(tenant), f"{tenant}-{number}")


def taken(
    queue: FairQueue, room: Callable[[Lane], int] = lambda _: 10
) -> tuple[Lane, list[str]] | None:
    """The next lane, and which of its executions it gets."""
    if found := queue.take(room):
        return found[0], [entry.execution_id for entry in found[1]]
    return None


def turns(queue: FairQueue, count: int, *, room: int = 1) -> list[str]:
    """Which tenants are served in the next turns."""
    served = []
    for _ in range(count):
        taken = queue.take(lambda _: room)
        assert taken is not None
        served += [taken[0].tenant_id] * len(taken[1])
    return served


def test_tenants_take_turns() -> None:
    queue = a_queue()
    fill(queue, "a", 10)
    fill(queue, "b", 10)

    assert ["a", "b", "a", "b"] == turns(queue, 4)


def test_a_weight_of_three_gets_three_times_as_much() -> None:
    queue = a_queue(tenants={"a": TenantShare(weight=3)})
    fill(queue, "a", 100)
    fill(queue, "b", 100)

    assert {"a": 30, "b": 10} == Counter(turns(queue, 40))


def test_shares_hold_whatever_the_size_of_the_batches() -> None:
    queue = a_queue(tenants={"a": TenantShare(weight=3)})
    fill(queue, "a", 1000)
    fill(queue, "b", 1000)

    served = Counter(turns(queue, 40, room=10))
    assert {"a": 300, "b": 100} == served


def test_a_higher_priority_goes_first_whatever_the_weights() -> None:
    queue = a_queue(tenants={"a": TenantShare(weight=1000), "b": TenantShare(priority=1)})
    fill(queue, "a", 5)
    fill(queue, "b", 2)

    assert ["b", "b", "a"] == turns(queue, 3)


def test_a_tenant_that_was_idle_has_saved_no_turns_up() -> None:
    queue = a_queue()
    fill(queue, "a", 100)
    turns(queue, 50)
    fill(queue, "b", 100)

    assert {"a": 10, "b": 10} == Counter(turns(queue, 20))


def test_a_tenant_that_comes_back_at_once_does_not_jump_the_line() -> None:
    queue = a_queue()
    fill(queue, "b", 10)
    for number in range(5):
        queue.put(lane("a"), f"a-{number}")
        turns(queue, 1)

    assert {"a", "b"} == set(turns(queue, 2))


def test_within_a_tenant_a_higher_priority_goes_first_and_then_the_older_one() -> None:
    queue = a_queue()
    queue.put(lane("a"), "old")
    queue.put(lane("a"), "new")
    queue.put(lane("a"), "urgent", priority=5)

    assert (lane("a"), ["urgent", "old", "new"]) == taken(queue)


def test_an_execution_waits_once() -> None:
    queue = a_queue()
    queue.put(lane("a"), "e")
    queue.put(lane("a"), "e", priority=9)

    assert (lane("a"), ["e"]) == taken(queue)
    assert taken(queue) is None


def test_what_is_put_back_has_the_place_that_it_had() -> None:
    queue = a_queue()
    fill(queue, "a", 4)
    queue.put(lane("a"), "urgent", priority=5)
    first = queue.take(lambda _: 3)
    assert first is not None
    queue.put(lane("a"), "new")

    queue.put_back(*first)
    queue.put_back(*first)
    assert (lane("a"), ["urgent", "a-0", "a-1", "a-2", "a-3", "new"]) == taken(queue)


def test_a_tenant_without_room_is_passed_over() -> None:
    queue = a_queue()
    fill(queue, "a", 5)
    fill(queue, "b", 5)

    assert (lane("b"), ["b-0"]) == taken(queue, lambda one: int(one.tenant_id == "b"))


def test_what_was_discarded_waits_no_longer_and_the_rest_keeps_its_order() -> None:
    queue = a_queue()
    fill(queue, "a", 6)
    queue.put(lane("a"), "urgent", priority=5)

    queue.discard(lane("a"), {"a-0", "a-3", "urgent", "unknown"})
    queue.discard(lane("nobody"), {"a-1"})
    queue.put(lane("a"), "a-0")

    assert 5 == len(queue) == queue.waiting("a")
    assert (lane("a"), ["a-1", "a-2", "a-4", "a-5", "a-0"]) == taken(queue)


def test_a_lane_of_which_all_was_discarded_has_no_turn() -> None:
    queue = a_queue()
    fill(queue, "a", 2)

    queue.discard(lane("a"), {"a-0", "a-1"})

    assert taken(queue) is None
    assert [] == queue.tenants()


def test_executions_of_two_workflows_never_share_a_turn() -> None:
    queue = a_queue()
    for number, workflow in enumerate(("one", "other", "one", "other")):
        queue.put(lane("a", workflow), f"{workflow}-{number}")

    assert (lane("a", "one"), ["one-0", "one-2"]) == taken(queue)
    assert (lane("a", "other"), ["other-1", "other-3"]) == taken(queue)


def test_of_two_workflows_of_a_tenant_the_one_with_the_higher_priority_goes_first() -> None:
    queue = a_queue()
    queue.put(lane("a", "one"), "old")
    queue.put(lane("a", "other"), "urgent", priority=5)

    assert (lane("a", "other"), ["urgent"]) == taken(queue)


def test_a_tenant_with_two_workflows_has_one_share() -> None:
    queue = a_queue()
    fill(queue, "b", 100)
    for number in range(100):
        queue.put(lane("a", "one"), f"one-{number}")
        queue.put(lane("a", "other"), f"other-{number}")

    assert {"a": 20, "b": 20} == Counter(turns(queue, 40))
