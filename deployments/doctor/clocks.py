"""Clocks of the parts against the one here: deadlines and expiry are judged by them."""

import asyncio
import ssl
from datetime import datetime, timedelta
from email.utils import parsedate_to_datetime

import httpx

from blocks.clock import utc_now
from blocks.contracts.ids import SYSTEM_TENANT
from blocks.contracts.records import ProcessRecord
from blocks.queries import every
from deployments.doctor.finding import Finding, failed, ok, warning
from deployments.doctor.patient import Patient
from deployments.prefect_server import api_url

TOLERATED = timedelta(seconds=5)
"""`Date` headers count in seconds, and an answer takes its time."""

TOO_MUCH = timedelta(minutes=1)

_ANSWER_SECONDS = 3.0


async def clocks(patient: Patient) -> list[Finding]:
    """How far each clock that can be seen is off."""
    differences = {**await _by_date_headers(patient), **await _by_signs_of_life(patient)}
    off = {name: by for name, by in differences.items() if abs(by) > TOLERATED}
    if off:
        found = ", ".join(f"{name} {_by(difference)}" for name, difference in off.items())
        say = failed if any(abs(by) > TOO_MUCH for by in off.values()) else warning
        return [say("clocks", found, "let all machines follow one time server (NTP), this one, too")]
    if not differences:
        return [ok("clocks", "nothing to compare with")]
    return [ok("clocks", f"{', '.join(differences)}: within {TOLERATED.total_seconds():g} s of the clock here")]


async def _by_date_headers(patient: Patient) -> dict[str, timedelta]:
    """Cosmos DB and Prefect tell the time with every answer; embedded parts have this machine's clock."""
    cosmos = patient.settings.cosmos_db
    asked = {}
    if patient.has("prefect"):
        asked["Prefect"] = _difference(f"{api_url(patient.settings)}/health", None)
    if patient.has("store") and not patient.settings.embedded_file(cosmos.endpoint):
        asked["store"] = _difference(cosmos.endpoint, cosmos.ca_file or None)
    answers = await asyncio.gather(*asked.values())
    return {name: answer for name, answer in zip(asked, answers, strict=True) if answer is not None}


async def _difference(url: str, ca_file: str | None) -> timedelta | None:
    """The clock there minus the clock here; None if it does not tell. A refusal tells the time, too."""
    verify = ssl.create_default_context(cafile=ca_file) if ca_file else True
    before = utc_now()
    try:
        async with httpx.AsyncClient(timeout=_ANSWER_SECONDS, verify=verify) as client:
            there = parsedate_to_datetime((await client.get(url)).headers["Date"])
    except (httpx.HTTPError, KeyError, ValueError):
        return None
    return there - _between(before, utc_now())


async def _by_signs_of_life(patient: Patient) -> dict[str, timedelta]:
    """A sign of life from the future comes from a clock that is ahead; one from the past may come from the dead."""
    if patient.store is None:
        return {}
    now = utc_now()
    found = every(patient.store, SYSTEM_TENANT, ProcessRecord)
    ahead = {f"a {one.role}": one.beat_at - now async for one in (stored.record async for stored in found)}
    return {name: by for name, by in ahead.items() if by > TOLERATED}


def _between(earlier: datetime, later: datetime) -> datetime:
    return earlier + (later - earlier) / 2


def _by(difference: timedelta) -> str:
    seconds = abs(difference).total_seconds()
    return f"{seconds:.0f} s {'ahead' if difference > timedelta(0) else 'behind'}"
