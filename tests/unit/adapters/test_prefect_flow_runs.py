"""A Prefect that does not answer: no caller waits long, and many calls wait no longer than one."""

import asyncio
from collections.abc import AsyncIterator
from time import monotonic
from uuid import uuid4

import pytest

from blocks.adapters.prefect import flow_runs as adapter
from blocks.adapters.prefect.flow_runs import PrefectFlowRuns
from blocks.ports import Unavailable

LIMIT = 0.5


@pytest.fixture(params=["silent", "gone"])
async def address(request: pytest.FixtureRequest) -> AsyncIterator[str]:
    """Of a server that takes requests and never answers, or of none."""

    async def never_answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    server = await asyncio.start_server(never_answer, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    if request.param == "gone":
        server.close()
    yield f"http://127.0.0.1:{port}/api"
    server.close()


async def test_what_is_prompt_waits_no_longer_than_its_limit_and_the_next_ones_not_at_all(
    address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(adapter, "PROMPT_SECONDS", LIMIT)
    monkeypatch.setattr(adapter, "SILENT_SECONDS", 3600.0)
    async with PrefectFlowRuns(address) as flow_runs:
        began = monotonic()
        for _ in range(20):
            with pytest.raises(Unavailable, match=r"^Prefect (does|did) not answer"):
                await flow_runs.resume(str(uuid4()), {})
        assert monotonic() - began < 10 * LIMIT


async def test_after_a_moment_it_is_asked_again(
    address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(adapter, "PROMPT_SECONDS", 0.1)
    monkeypatch.setattr(adapter, "SILENT_SECONDS", 0.0)
    async with PrefectFlowRuns(address) as flow_runs:
        for _ in range(2):
            with pytest.raises(Unavailable, match=r"^Prefect does not answer"):
                await flow_runs.ping()


async def test_what_changes_runs_has_the_time_that_prefect_may_take_and_is_not_held_back(
    address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Sent again while the server is still at it, it would be carried out twice."""
    assert adapter.CALL_SECONDS > 60, "so long Prefect's server waits for a lock of its database"
    monkeypatch.setattr(adapter, "PROMPT_SECONDS", 0.1)
    monkeypatch.setattr(adapter, "CALL_SECONDS", LIMIT)
    monkeypatch.setattr(adapter, "SILENT_SECONDS", 3600.0)
    async with PrefectFlowRuns(address) as flow_runs:
        with pytest.raises(Unavailable):
            await flow_runs.ping()
        began = monotonic()
        with pytest.raises(Unavailable, match=r"^Prefect does not answer"):
            await flow_runs.mark_crashed(str(uuid4()), "lost")
        assert monotonic() - began >= 0.9 * LIMIT
