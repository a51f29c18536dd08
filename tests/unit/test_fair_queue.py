"""Who is next: tenants by weight and priority, executions by priority and age."""

from collections import Counter

from blocks.contracts.records import TenantShare
from listeners.fair_queue import FairQueue
from tests.support.dispatch import a_queue


def fill(queue: FairQueue, tenant: str, executions: int) -> None:
    for number in range(executions):
        queue.put(tenant, f"{tenant}-{number}")


def turns(queue: FairQueue, count: int, *, room: int = 1) -> list[str]:
    """Which tenants are served in the next turns."""
    served = []
    for _ in range(count):
        taken = queue.take(lambda tenant: room)
        assert taken is not None
        served += [taken[0]] * len(taken[1])
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
        queue.put("a", f"a-{number}")
        turns(queue, 1)

    assert {"a", "b"} == set(turns(queue, 2))


def test_within_a_tenant_a_higher_priority_goes_first_and_then_the_older_one() -> None:
    queue = a_queue()
    queue.put("a", "old")
    queue.put("a", "new")
    queue.put("a", "urgent", priority=5)

    assert ("a", ["urgent", "old", "new"]) == queue.take(lambda tenant: 10)


def test_an_execution_waits_once() -> None:
    queue = a_queue()
    queue.put("a", "e")
    queue.put("a", "e", priority=9)

    assert ("a", ["e"]) == queue.take(lambda tenant: 10)
    assert queue.take(lambda tenant: 10) is None


def test_a_tenant_without_room_is_passed_over() -> None:
    queue = a_queue()
    fill(queue, "a", 5)
    fill(queue, "b", 5)

    assert ("b", ["b-0"]) == queue.take(lambda tenant: int(tenant == "b"))
