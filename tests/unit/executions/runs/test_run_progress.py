"""Progress and artifacts of a run: shown when there is time for it, and never in the run's way."""

import asyncio
from collections.abc import Iterable
from uuid import UUID, uuid4

import pytest
from prefect.settings import PREFECT_API_URL, temporary_settings

from flows.shared import artifacts, run_progress
from flows.shared.artifacts import Shown
from flows.shared.run_progress import shown_progress
from tests.support.servers.ports import free_port
from tests.support.waiting import eventually


@pytest.fixture
def texts(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What Prefect was given, in its order."""
    given: list[str] = []

    async def show(shown: Iterable[Shown]) -> list[UUID]:
        given.extend(str(one.description) for one in shown)
        return [uuid4()]

    async def change(_: UUID, data: float, description: str) -> None:
        given.append(f"{description}, {data:.0f} %")

    monkeypatch.setattr(artifacts, "show", show)
    monkeypatch.setattr(artifacts, "change", change)
    return given


async def test_a_batch_that_waits_shows_how_many_are_answered_and_in_the_end_all(
    texts: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run_progress, "FIRST_SECONDS", 0.01)
    answered = 1

    async def is_shown() -> bool:
        return bool(texts)

    async with shown_progress(lambda: 4, lambda: answered, lambda: "answered"):
        await eventually(is_shown)
        answered = 4

    assert "1 of 4 answered" == texts[0]
    assert "4 of 4 answered, 100 %" == texts[-1]


async def test_a_batch_that_is_answered_promptly_and_a_run_of_one_cost_prefect_nothing(
    texts: list[str],
) -> None:
    for executions in ([1], [1, 2, 3, 4]):
        async with shown_progress(executions.__len__, lambda: 0, lambda: "answered"):
            await asyncio.sleep(0)

    assert [] == texts


async def test_an_error_of_the_run_passes_through(texts: list[str]) -> None:
    with pytest.raises(ZeroDivisionError):
        async with shown_progress(lambda: 4, lambda: 0, lambda: "answered"):
            raise ZeroDivisionError


async def test_a_run_ends_without_its_artifact_when_prefect_is_away(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("PREFECT__RUNTIME__FLOW_RUN__ID", str(uuid4()))
    with temporary_settings({PREFECT_API_URL: f"http://127.0.0.1:{free_port()}/api"}):
        assert [] == await artifacts.show([artifacts.markdown("# A page")])


async def test_outside_a_flow_run_nothing_is_shown() -> None:
    assert [] == await artifacts.show([artifacts.markdown("# A page")])
