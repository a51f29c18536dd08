"""Who is notified of the platform's health, and when."""

from collections.abc import Mapping
from datetime import datetime, timedelta

import msgspec

from blocks.clock import utc_now
from blocks.contracts.events import JsonObject
from blocks.contracts.operations.catalogue import HEALTH_MONITORING
from blocks.contracts.reading.normalised import Normalised
from blocks.notifications import Message, Sent, Withheld, notify
from blocks.notifications.message import CRITICAL, NORMAL
from blocks.operations import states
from blocks.operations.health.aggregation import Looks, kind_of, looks_of
from blocks.operations.work import NotConfigured
from blocks.ports import RecordStore
from blocks.settings import Settings

_SUBJECT = "parts"

KEY = HEALTH_MONITORING.id
"""Under which all that is down is one problem: an outage is one message, not one for each part."""


class PartHealth(Normalised, frozen=True, kw_only=True, rename="camel"):
    """How a part of the platform is."""

    problem: str | None
    """As last seen; None: it works."""
    since: datetime
    """So long it fails, or works, without a break."""
    is_down: bool = False
    """Whether it failed for the time of grace, and has not worked for as long since."""


class _Parts(msgspec.Struct, frozen=True):
    parts: dict[str, PartHealth]


async def alert(store: RecordStore, settings: Settings, found: JsonObject) -> JsonObject:
    """What the checks found is recorded, and people know which parts are down, if these are others
    than they last knew; `found`: as to `looks_of`.

    Returns `alertsSent` and `totalAlerts` (parts that are down), with what the notifier did. Raises
    `NotConfigured`, and `NotDelivered`.
    """
    looks = looks_of(found)
    grace = timedelta(seconds=settings.operations.health_monitoring.grace_seconds)
    parts = await _recorded(store, looks, grace)
    down = {name: part for name, part in parts.items() if part.is_down}
    outcome = await _notified(store, settings, down)
    if isinstance(outcome, Withheld) and not outcome.is_configured:
        raise NotConfigured(outcome.reason)
    return {
        "alertsSent": int(isinstance(outcome, Sent)),
        "totalAlerts": len(down),
        "down": sorted(down),
        **outcome.figures,
    }


async def _notified(
    store: RecordStore, settings: Settings, down: Mapping[str, PartHealth]
) -> Sent | Withheld:
    if down:
        return await notify(
            store,
            settings.notifications,
            _problem(down),
            key=KEY,
            kind="problem",
            state=", ".join(sorted(down)),
        )
    return await notify(store, settings.notifications, _ALL_CLEAR, key=KEY, kind="all-clear")


def _problem(down: Mapping[str, PartHealth]) -> Message:
    names = sorted(down)
    more = f" and {len(names) - 3} more" if len(names) > 3 else ""
    return Message(
        subject=f"[CRITICAL] {', '.join(names[:3])}{more} down",
        body="\n".join(_line(name, down[name]) for name in names),
        priority=CRITICAL,
        metadata={"workflow": KEY, "down": names},
    )


def _line(name: str, part: PartHealth) -> str:
    since = f"{part.since:%Y-%m-%d %H:%M:%S} UTC"
    if part.problem:
        return f"{name}: {part.problem}, since {since}"
    return f"{name}: it works again since {since}, not for long yet"


_ALL_CLEAR = Message(
    subject="[RESOLVED] the platform is healthy",
    body="Every part that was down works again, or is watched no more.",
    priority=NORMAL,
    metadata={"workflow": KEY},
)


async def _recorded(store: RecordStore, looks: Looks, grace: timedelta) -> Mapping[str, PartHealth]:
    """How every part is now."""
    known = await states.known(store, HEALTH_MONITORING, _SUBJECT, _Parts)
    parts = after(known.parts if known else {}, looks, utc_now(), grace)
    await states.keep(store, HEALTH_MONITORING, _SUBJECT, _Parts(parts))
    return parts


def after(
    known: Mapping[str, PartHealth], looks: Looks, now: datetime, grace: timedelta
) -> dict[str, PartHealth]:
    """Every part after these looks. One of a kind that was looked at, and that was not seen, is not
    there any more; what was not looked at is as it was.
    """
    unseen = {name: part for name, part in known.items() if kind_of(name) not in looks.kinds}
    return unseen | {
        name: _seen(known.get(name), problem, now, grace)
        for name, problem in looks.problems.items()
    }


def _seen(
    known: PartHealth | None, problem: str | None, now: datetime, grace: timedelta
) -> PartHealth:
    fails, was_down = problem is not None, bool(known and known.is_down)
    is_as_before = known is not None and (known.problem is not None) == fails
    since = known.since if known and is_as_before else now
    is_down = fails if now - since >= grace else was_down
    return PartHealth(problem=problem, since=since, is_down=is_down)
