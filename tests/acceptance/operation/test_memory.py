"""The memory of a worker over many analyses: what one of them needed is given back, or used by the
next.
"""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.support.analyses import an_opportunity, ended
from tests.support.servers.prefect_server import PrefectServer
from tests.support.system.analysis_services import AnalysisServices
from tests.support.system.orchestra import Orchestra, orchestra

pytestmark = pytest.mark.long

AT_ONCE = 10
WARM_UP_ROUNDS, ROUNDS = 6, 20


@pytest.fixture
async def parts(tmp_path: Path, prefect_server: PrefectServer) -> AsyncIterator[Orchestra]:
    async with orchestra(tmp_path, prefect_server) as parts:
        parts.listener.start()
        parts.worker.start()
        yield parts


async def analyse(parts: Orchestra) -> float:
    """Some analyses have completed; what the worker holds then, in MB."""
    events = [an_opportunity() for _ in range(AT_ONCE)]
    await parts.bus.publish(*events)
    for event in events:
        assert "completed" == (await ended(parts, event, within_seconds=180)).status
    return parts.worker.memory_mb


async def test_a_worker_holds_no_more_after_two_hundred_analyses(
    parts: Orchestra, services: AnalysisServices
) -> None:
    """Measured: 1 MB more. The limit is what a worker would hold that kept 40 kB of each."""
    warm = [await analyse(parts) for _ in range(WARM_UP_ROUNDS)]
    held = [await analyse(parts) for _ in range(ROUNDS)]

    assert max(held[-5:]) - max(warm) < 8, (warm, held)
