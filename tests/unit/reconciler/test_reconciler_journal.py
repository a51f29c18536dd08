"""What the reconciler did is reported: in the metrics of its process, and in the record that the
doctor reads.
"""

import asyncio
import logging
from collections.abc import Sequence
from datetime import timedelta

import pytest
from prometheus_client import REGISTRY

from api.reconciler import Drift, service
from api.reconciler.bell import Bell
from api.reconciler.drifts import DRIFTS, KINDS
from api.reconciler.journal import Journal
from blocks.clock import utc_now
from blocks.contracts.records import Look
from blocks.observability import log_context
from blocks.ports import Stored, Unavailable
from tests.support.factories import A_TENANT, a_flow_run, an_approval, an_execution
from tests.support.waiting import eventually


class Trouble(Drift[int]):
    """A kind of drift that finds these, or cannot see."""

    kind = "trouble-of-the-test"

    def __init__(self, *found: int, failure: Exception | None = None) -> None:
        self.repairs = 0
        self.found, self.failure = found, failure

    async def find(self) -> Sequence[int]:
        if self.failure:
            raise self.failure
        return self.found

    async def act(self, found: int) -> bool:
        return found > 0


def counted() -> float:
    return (
        REGISTRY.get_sample_value(
            "workflow_orchestrator_reconciler_repairs_total", {"kind": Trouble.kind}
        )
        or 0.0
    )


async def test_every_repair_is_counted_in_the_metrics_and_in_the_record() -> None:
    journal, before = Journal(), counted()
    journal.continue_from(
        {Trouble.kind: Look(at=utc_now() - timedelta(days=1), seconds=1, repaired=40)}
    )

    await journal.look(Trouble(1, 2, 0))

    look = journal.looks[Trouble.kind]
    assert (2.0, 42, None) == (counted() - before, look.repaired, look.error)
    assert utc_now() - look.at < timedelta(seconds=10)


async def test_a_part_that_is_away_is_logged_once_and_stands_in_the_record(
    caplog: pytest.LogCaptureFixture,
) -> None:
    journal = Journal()
    with caplog.at_level(logging.WARNING):
        for _ in range(3):
            await journal.look(Trouble(failure=Unavailable("Prefect does not answer")))

    assert [
        "the reconciler cannot look for trouble-of-the-test: Prefect does not answer"
    ] == caplog.messages
    assert "Prefect does not answer" == journal.looks[Trouble.kind].error


async def test_a_bug_in_one_kind_is_an_error_of_that_kind(caplog: pytest.LogCaptureFixture) -> None:
    journal = Journal()

    await journal.look(Trouble(failure=ValueError("a bug")))

    assert "ValueError: a bug" == journal.looks[Trouble.kind].error
    assert "stumbled" in caplog.text


async def test_the_same_bug_is_logged_once_and_another_one_again(
    caplog: pytest.LogCaptureFixture,
) -> None:
    journal = Journal()

    for failure in (ValueError("a bug"), ValueError("a bug"), KeyError("another")):
        await journal.look(Trouble(failure=failure))

    assert 2 == caplog.text.count("stumbled")


@pytest.mark.parametrize("failure", [Unavailable("Prefect does not answer"), ValueError("a bug")])
async def test_a_kind_that_looks_seldom_looks_again_soon_after_a_failure(
    failure: Exception,
) -> None:
    journal = Journal()

    class Seldom(Trouble):
        every_seconds, retry_seconds = 3600.0, 0.0

        async def find(self) -> Sequence[int]:
            if Trouble.kind not in journal.looks:
                raise failure
            return [1]

    async def last_look() -> Look | None:
        look = journal.looks.get(Trouble.kind)
        return look if look and look.repaired else None

    looking = asyncio.create_task(service.look_again_and_again(Seldom(), journal, Bell()))
    try:
        look = await eventually(last_look)
        assert look
        assert look.error is None
    finally:
        looking.cancel()


@pytest.mark.parametrize(
    ("found", "known"),
    [
        (Stored(an_execution(id="e-1"), "etag"), {"tenantId": A_TENANT, "executionId": "e-1"}),
        (an_approval(execution_id="e-1"), {"tenantId": A_TENANT, "executionId": "e-1"}),
        ((a_flow_run(id="f-1"), []), {"tenantId": A_TENANT, "flowRunId": "f-1"}),
    ],
)
async def test_the_log_says_what_is_being_repaired(found: object, known: dict[str, str]) -> None:
    seen: dict[str, str] = {}

    class Repaired(Trouble):
        async def act(self, found: int) -> bool:
            seen.update(log_context.current())
            return True

    drift = Repaired()
    drift.found = [found]  # type: ignore[assignment] # any kind of find will do
    await drift.look()

    assert known == {name: seen[name] for name in known}
    assert {} == log_context.current()


def test_every_kind_has_a_name_of_its_own_and_a_line_in_the_documentation(
    pytestconfig: pytest.Config,
) -> None:
    text = (pytestconfig.rootpath / "docs" / "reconciler.md").read_text()
    assert len(set(KINDS)) == len(DRIFTS)
    assert [] == [kind for kind in KINDS if f"(`{kind}`)" not in text]
