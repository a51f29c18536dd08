"""The clocks of the parts; deadlines and expiry are judged by that of Prefect's server."""

import ssl
from datetime import datetime, timedelta
from email.utils import parsedate_to_datetime

import httpx

from blocks.clock import TOLERANCE, correction, utc_now
from blocks.contracts.ids import SYSTEM_TENANT
from blocks.contracts.records import ProcessRecord
from blocks.queries import every
from deployments.doctor.connections import Connections
from deployments.doctor.finding import Finding, failed, ok, warning

TOO_MUCH = timedelta(minutes=1)

_ANSWER_SECONDS = 3.0


async def clocks(connections: Connections) -> list[Finding]:
    """The offset of each visible clock from Prefect's; without Prefect, from the one here."""
    differences = {
        **_here(connections),
        **await _of_the_store(connections),
        **await _by_signs_of_life(connections),
    }
    counts = "Prefect's clock" if connections.has("prefect") else "the clock here"
    off = {name: by for name, by in differences.items() if abs(by) > TOLERANCE}
    if off:
        found = ", ".join(f"{name} {_by(difference)}" for name, difference in off.items())
        say = failed if any(abs(by) > TOO_MUCH for by in off.values()) else warning
        return [
            say(
                "clocks",
                f"against {counts}: {found}",
                "let all machines follow one time server (NTP)",
            )
        ]
    if not differences:
        return [ok("clocks", "nothing to compare with")]
    return [
        ok(
            "clocks",
            f"{', '.join(differences)}: within {TOLERANCE.total_seconds():g} s of {counts}",
        )
    ]


def _here(connections: Connections) -> dict[str, timedelta]:
    """Connecting to Prefect has synchronized this process's clock."""
    return {"this machine": -correction()} if connections.has("prefect") else {}


async def _of_the_store(connections: Connections) -> dict[str, timedelta]:
    """Cosmos DB sends the time with every answer, even a refusal; embedded stores use our clock."""
    cosmos = connections.settings.cosmos_db
    if connections.store is None or connections.settings.embedded_file(cosmos.endpoint):
        return {}
    verify = ssl.create_default_context(cafile=cosmos.ca_file) if cosmos.ca_file else True
    before = utc_now()
    try:
        async with httpx.AsyncClient(timeout=_ANSWER_SECONDS, verify=verify) as client:
            there = parsedate_to_datetime((await client.get(cosmos.endpoint)).headers["Date"])
    except (httpx.HTTPError, KeyError, ValueError):
        return {}
    return {"the store": there - _between(before, utc_now())}


async def _by_signs_of_life(connections: Connections) -> dict[str, timedelta]:
    """A heartbeat from the future is a fast clock's; one from the past may be a dead process's."""
    if connections.store is None:
        return {}
    now = utc_now()
    found = every(connections.store, SYSTEM_TENANT, ProcessRecord)
    ahead = {
        f"a {one.role}": one.beat_at - now
        async for one in (stored.record async for stored in found)
    }
    return {name: by for name, by in ahead.items() if by > TOLERANCE}


def _between(earlier: datetime, later: datetime) -> datetime:
    return earlier + (later - earlier) / 2


def _by(difference: timedelta) -> str:
    seconds = abs(difference).total_seconds()
    return f"{seconds:.0f} s {'ahead' if difference > timedelta(0) else 'behind'}"
