"""Pages, containers and the database asked from the command line."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

from blocks.contracts.events import JsonObject
from blocks.operations import health, warmup
from blocks.operations.work import NotConfigured
from blocks.settings import load_settings
from blocks.settings.operations import CacheWarmup, HealthMonitoring
from deployments.printing import console, say_json, say_line, table_of


async def look_at_health(*, as_json: bool) -> bool:
    """What the checks found is printed, and no one is notified; whether everything works."""
    settings = load_settings().operations.health_monitoring
    checks: Mapping[str, Callable[[HealthMonitoring], Awaitable[JsonObject]]] = {
        "check-containers": health.check_containers,
        "check-services": health.check_endpoints,
        "check-database": health.check_database,
    }
    found = {step: await _done(check(settings)) for step, check in checks.items()}
    problems = health.looks_of({key: value for one in found.values() for key, value in one.items()})
    rows = [(part, problem or "works") for part, problem in problems.problems.items()]
    _show(found, ("part", "is"), rows, as_json=as_json)
    return not any(problems.problems.values())


async def warm_caches(*, as_json: bool) -> None:
    """Every page was asked for, and what came of it is printed. Raises `NothingWarmed`."""
    settings = load_settings().operations.cache_warmup
    groups: Mapping[str, Callable[[CacheWarmup], Awaitable[JsonObject]]] = {
        "warmup-api": warmup.warm_api,
        "warmup-cms": warmup.warm_cms,
        "warmup-session": warmup.warm_session,
    }
    found = {step: await _done(warm(settings)) for step, warm in groups.items()}
    rows = [
        (page["url"], f"{page['responseTime']} ms", f"{page['bytes']:,}", page.get("error", ""))
        for one in found.values()
        for page in one.get("details", [])
    ]
    _show(found, ("page", "took", "bytes", "error"), rows, as_json=as_json)


async def _done(work: Awaitable[JsonObject]) -> JsonObject:
    try:
        return await work
    except NotConfigured as reason:
        return {"skipped": True, "reason": str(reason)}


def _show(
    found: Mapping[str, JsonObject],
    headings: Sequence[str],
    rows: Sequence[Sequence[Any]],
    *,
    as_json: bool,
) -> None:
    if as_json:
        say_json(found)
        return
    table = table_of(*headings)
    for row in rows:
        table.add_row(*row)
    if rows:
        console().print(table)
    for step, one in found.items():
        if "reason" in one:
            say_line(f"{step} is skipped: {one['reason']}")
