"""Performance measured, and optimized where the settings allow it, from the command line."""

from collections.abc import Awaitable, Mapping

from blocks.contracts.events import JsonObject
from blocks.operations import performance
from blocks.operations.work import NotConfigured
from blocks.settings import load_settings
from deployments.printing import console, facts_of, say_json, say_line


async def optimize_now(*, as_json: bool) -> None:
    """The figures are printed, and what was changed.

    Raises `DatabaseFailed`, `RedisFailed`, `TablesFailed` and `OSError`.
    """
    settings = load_settings()
    part = settings.operations.performance_optimization
    measured = await performance.measure(settings)
    steps = {
        "analyze-metrics": measured,
        "optimize-memory": await _unless_skipped(performance.free_memory(part, measured)),
        "optimize-db": await _unless_skipped(performance.vacuum(part)),
    }
    if as_json:
        say_json(steps)
        return
    for step, figures in steps.items():
        if "reason" in figures:
            say_line(f"{step} is skipped: {figures['reason']}")
        else:
            console().print(facts_of(_shown(figures)))


async def _unless_skipped(work: Awaitable[JsonObject]) -> JsonObject:
    try:
        return await work
    except NotConfigured as reason:
        return {"skipped": True, "reason": str(reason)}


def _shown(figures: Mapping[str, object]) -> dict[str, str]:
    return {
        name: f"{value:,}" if isinstance(value, int | float) else str(value)
        for name, value in figures.items()
        if not isinstance(value, list)
    }
