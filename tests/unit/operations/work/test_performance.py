"""Measures of this machine, and what is refused or skipped before a server is reached."""

import asyncio
import gc
from pathlib import Path
from typing import Any
from weakref import ref

import pytest

from blocks.operations import performance
from blocks.operations.performance.freeing import collect_garbage
from blocks.operations.performance.host import measure_host
from blocks.operations.performance.purging import purge
from blocks.operations.performance.redis_server import RedisFailed
from blocks.operations.work import NotConfigured
from blocks.settings import BadSetting, load_settings
from blocks.settings.operations import PerformanceOptimization
from tests.support.servers.ports import free_port


def settings_of(**variables: str) -> PerformanceOptimization:
    return load_settings(variables).operations.performance_optimization


# --- the machine ----------------------------------------------------------------------------------


async def test_the_machine_is_measured(tmp_path: Path) -> None:
    figures = await measure_host(tmp_path / "not" / "there" / "yet")

    percents = [figures[name] for name in ("cpuUsage", "memoryUsage", "diskUsage")]
    assert all(0 <= percent <= 100 for percent in percents)
    assert figures["memoryUsage"] > 0
    assert figures["diskFreeBytes"] > 0


async def test_a_busy_processor_shows_in_its_figure(tmp_path: Path) -> None:
    busy = await asyncio.create_subprocess_exec("sh", "-c", "while :; do :; done")
    try:
        figures = await measure_host(tmp_path)
    finally:
        busy.kill()
        await busy.wait()

    assert figures["cpuUsage"] > 10


class Node:
    """One of two that only hold each other."""

    other: "Node"


@pytest.mark.parametrize(("used", "collected"), [(89.9, False), (90.0, False), (90.1, True)])
def test_garbage_is_collected_when_memory_is_short(used: float, collected: bool) -> None:
    node = Node()
    node.other = Node()
    node.other.other = node
    lost = ref(node)
    gc.disable()
    try:
        del node
        done = collect_garbage(settings_of(), {"memoryUsage": used})
        is_gone = lost() is None
    finally:
        gc.enable()

    assert (collected, collected) == (done, is_gone)


async def test_with_garbage_collected_the_step_is_not_skipped() -> None:
    assert (await performance.free_memory(settings_of(), {"memoryUsage": 95.0}))["gcTriggered"]
    with pytest.raises(NotConfigured, match="REDIS_URL"):
        await performance.free_memory(settings_of(), {"memoryUsage": 50.0})


# --- PostgreSQL and Redis -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("act", "variables", "missing"),
    [
        (performance.vacuum, {}, "DATABASE_URL"),
        (
            performance.vacuum,
            {"DATABASE_URL": "postgresql://shop@127.0.0.1:1/shop"},
            "PERFORMANCE_VACUUM_TABLES",
        ),
        (purge, {}, "REDIS_URL"),
        (purge, {"REDIS_URL": "redis://127.0.0.1:1/0"}, "PERFORMANCE_PURGE_KEYS"),
    ],
)
async def test_without_an_allow_list_no_server_is_even_reached(
    act: Any, variables: dict[str, str], missing: str
) -> None:
    with pytest.raises(NotConfigured, match=missing):
        await act(settings_of(**variables))


@pytest.mark.parametrize(
    "patterns", ["*", "cache:*,*", "?ache:*", "[a-z]*", ",cache:*", "cache:*,"]
)
def test_a_pattern_without_a_beginning_of_its_own_is_refused(patterns: str) -> None:
    with pytest.raises(BadSetting, match="PERFORMANCE_PURGE_KEYS"):
        settings_of(PERFORMANCE_PURGE_KEYS=patterns)


async def test_a_server_that_is_away_fails_the_step_and_shows_no_password() -> None:
    settings = settings_of(
        REDIS_URL=f"redis://:geheim@127.0.0.1:{free_port()}/0", PERFORMANCE_PURGE_KEYS="cache:*"
    )

    with pytest.raises(RedisFailed) as failure:
        await purge(settings)

    assert "geheim" not in str(failure.value)
