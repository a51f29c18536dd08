"""Upcoming runs of the batch jobs have names for people before they run."""

from datetime import UTC, datetime

from api.reconciler.upcoming import name_upcoming
from blocks.ports import NotFound, UpcomingTick
from tests.support.flow_runs import RememberedFlowRuns

AT = datetime(2026, 11, 29, 1, tzinfo=UTC)


def upcoming(id: str, name: str) -> UpcomingTick:
    return UpcomingTick(flow_run_id=id, name=name, job="outcome-sync", at=AT)


async def test_an_upcoming_run_is_named_once() -> None:
    prefect = RememberedFlowRuns()
    prefect.upcoming = [upcoming("run-1", "amber-otter")]

    assert 1 == await name_upcoming(prefect)
    assert ["outcome-sync 2026-11-29 01:00"] == [tick.name for tick in prefect.upcoming]
    assert 0 == await name_upcoming(prefect)


class ForgetfulFlowRuns(RememberedFlowRuns):
    """The first run was deleted, because its schedule was changed."""

    async def rename(self, flow_run_id: str, name: str) -> None:
        if flow_run_id == "run-1":
            raise NotFound(flow_run_id)
        await super().rename(flow_run_id, name)


async def test_a_run_that_is_gone_does_not_keep_the_others_from_their_names() -> None:
    prefect = ForgetfulFlowRuns()
    prefect.upcoming = [upcoming("run-1", "amber-otter"), upcoming("run-2", "blue-otter")]

    await name_upcoming(prefect)

    assert "outcome-sync 2026-11-29 01:00" == prefect.upcoming[1].name
