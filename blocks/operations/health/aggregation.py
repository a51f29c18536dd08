"""What the checks of one run found, part by part."""

from collections.abc import Mapping

import msgspec

from blocks.contracts.events import JsonObject
from blocks.operations.work import NotConfigured


class Looks(msgspec.Struct, frozen=True):
    """What was looked at, and what was seen there."""

    kinds: frozenset[str]
    """The first words of the names of parts: of these kinds, every part that is there was seen."""
    problems: Mapping[str, str | None]
    """By part: `docker engine`, `container web`, `endpoint api`, `database`; None: it works."""


def kind_of(part: str) -> str:
    return part.partition(" ")[0]


def looks_of(found: JsonObject) -> Looks:
    """`found`: the results of the checks in one object. Raises `NotConfigured` for none."""
    kinds, problems = set[str](), dict[str, str | None]()
    if "services" in found:
        kinds |= {"docker"} if "engineError" in found else {"docker", "container"}
        problems["docker engine"] = found.get("engineError")
        problems |= {f"container {one['name']}": one.get("error") for one in found["services"]}
    if "details" in found:
        kinds.add("endpoint")
        problems |= {f"endpoint {one['name']}": one.get("error") for one in found["details"]}
    if "databaseHealthy" in found:
        kinds.add("database")
        problems["database"] = found.get("databaseError")
    if not kinds:
        raise NotConfigured("nothing was checked")
    return Looks(frozenset(kinds), problems)


def aggregate(found: JsonObject) -> JsonObject:
    """The sums of what the checks found, given as to `looks_of`.

    Returns `metricsCollected` and `metrics`. Raises `NotConfigured` when nothing was checked.
    """
    problems = looks_of(found).problems
    times = [detail["responseTime"] for detail in found.get("details", [])]
    return {
        "metricsCollected": True,
        "metrics": {
            "checked": len(problems),
            "failing": sorted(part for part, problem in problems.items() if problem),
            **({"slowestMilliseconds": max(times)} if times else {}),
        },
    }
