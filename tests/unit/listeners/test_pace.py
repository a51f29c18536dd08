"""The pace: backlogs get everything when alone, and yield to tenants whose executions start at
once.
"""

from listeners.dispatch.pace import Pace


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def a_pace() -> tuple[Pace, Clock]:
    clock = Clock()
    return Pace(late_seconds=0.25, clock=clock), clock


def worked_off_in(seconds: int, pace: Pace, clock: Clock, *, starts_after: float) -> int:
    """How many executions of an endless backlog go out while another tenant has one started every
    tenth of a second.
    """
    done = 0
    pace.started("prompt", starts_after)
    for _ in range(seconds * 10):
        clock.now += 0.1
        pace.started("prompt", starts_after)
        if batch := pace.room(500):
            pace.backlog_dispatched("behind", batch)
            done += batch
    return done


def test_a_backlog_alone_gets_all_it_may_have() -> None:
    pace, _ = a_pace()
    pace.backlog_dispatched("behind", 500)
    assert 500 == pace.room(500)


def test_beside_a_prompt_tenant_a_backlog_gets_two_seconds_at_a_time() -> None:
    pace, clock = a_pace()
    pace.started("prompt", 0.1)
    pace.started("prompt", 0.1)
    pace.backlog_dispatched("behind", pace.room(500))
    assert 0 == pace.room(500)
    clock.now += 2.1
    assert 0 < pace.room(500) < 500


def test_while_starts_are_prompt_a_backlog_is_worked_off_faster_and_faster() -> None:
    pace, clock = a_pace()
    first = worked_off_in(10, pace, clock, starts_after=0.1)
    assert worked_off_in(10, pace, clock, starts_after=0.1) > 1.3 * first


def test_late_starts_slow_a_backlog_down_but_never_stop_it() -> None:
    pace, clock = a_pace()
    worked_off_in(60, pace, clock, starts_after=1.0)
    assert 8 * 10 <= worked_off_in(10, pace, clock, starts_after=1.0) <= 12 * 10


def test_once_no_other_has_work_a_backlog_gets_all_again() -> None:
    pace, clock = a_pace()
    pace.started("prompt", 0.1)
    pace.started("prompt", 0.1)
    pace.backlog_dispatched("behind", pace.room(500))
    clock.now += 11
    assert 500 == pace.room(500)


def test_the_first_and_last_runs_of_a_backlog_make_no_one_yield() -> None:
    pace, _ = a_pace()
    pace.backlog_dispatched("behind", 500)
    pace.started("behind", 0.1)
    assert 500 == pace.room(500)


def test_one_execution_of_another_tenant_alone_makes_no_one_yield() -> None:
    pace, _ = a_pace()
    pace.started("prompt", 0.1)
    assert 500 == pace.room(500)
