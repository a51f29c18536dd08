"""Journeys of claim recovery for a person at a terminal: many, one, and the log of one."""

from collections.abc import Iterable, Sequence
from datetime import datetime

from blocks.claims import journeys, log
from blocks.contracts.claims.phases import PHASES, WORKFLOW
from blocks.contracts.claims.workflow import journey_input
from blocks.contracts.records import ExecutionRecord
from blocks.contracts.records.claims import ClaimRecord, FeeRecord, PhaseRecord
from blocks.ports import NotFound, Query, RecordStore
from blocks.queries import every
from blocks.services import open_store
from blocks.settings import load_settings
from deployments.cli.views.executions import COLOURS
from deployments.printing import (
    PlainTable,
    console,
    facts_of,
    say_json,
    say_line,
    styled,
    table_of,
)


async def print_journeys(
    tenant_id: str, user_id: str | None, status: str | None, limit: int, *, as_json: bool
) -> None:
    filters = {"workflow": WORKFLOW, "subject": user_id, "status": status}
    where = {name: value for name, value in filters.items() if value is not None}
    async with open_store(load_settings()) as store:
        page = await store.query(tenant_id, Query(ExecutionRecord, where, limit=limit))
    found = [stored.record for stored in page.items]
    if as_json:
        for journey in found:
            say_json(journey)
    elif found:
        console().print(_journeys_table(found))
    else:
        say_line("no journeys")


async def print_journey(
    tenant_id: str, sync_id: str, user_id: str | None, *, as_json: bool
) -> None:
    async with open_store(load_settings()) as store:
        journey = await _journey(store, tenant_id, sync_id, user_id)
        phases = [one.record for one in await journeys.phases_of(store, tenant_id, journey.id)]
        claims = [one.record for one in await journeys.claims_of(store, tenant_id, journey.id)]
        of_journey = {"execution_id": all_ids(journey, claims)}
        fees = [one.record async for one in every(store, tenant_id, FeeRecord, of_journey)]
    if as_json:
        shown = {"journey": journey, "phases": phases, "claims": claims, "money": fees}
        say_json(shown, indent=2)
        return
    out = console()
    out.print(_facts(journey))
    for table in (_phases_table(phases), _claims_table(claims, fees)):
        if table.rows:
            out.print()
            out.print(table)


async def print_log(tenant_id: str, sync_id: str, user_id: str | None, *, as_json: bool) -> None:
    async with open_store(load_settings()) as store:
        journey = await _journey(store, tenant_id, sync_id, user_id)
        claims = [one.record for one in await journeys.claims_of(store, tenant_id, journey.id)]
        entries = await log.entries(store, tenant_id, list(all_ids(journey, claims)))
    if as_json:
        for entry in entries:
            say_json(entry)
        return
    table = table_of(
        "AT", "PHASE", "CLAIM", "ROUND", "MARK", "TOOK", "BY", "MESSAGE", wraps=("MESSAGE",)
    )
    for entry in entries:
        table.add_row(
            _moment(entry.created_at),
            str(entry.phase),
            entry.claim_id or "",
            str(entry.round),
            styled(entry.mark, "red" if entry.mark == "failed" else None),
            _seconds(entry.duration_ms) + (" past its limit" if entry.violates_limit else ""),
            entry.triggered_by,
            entry.error or entry.message,
        )
    console().print(table)


def all_ids(journey: ExecutionRecord, claims: Iterable[ClaimRecord]) -> tuple[str, ...]:
    """The journey, and those that its claims had before they joined it."""
    former = (id for claim in claims for id in claim.joined_from)
    return tuple(dict.fromkeys((journey.id, *former)))


async def _journey(
    store: RecordStore, tenant_id: str, sync_id: str, user_id: str | None
) -> ExecutionRecord:
    """Raises `NotFound` with a readable message."""
    try:
        found = await journeys.read_journey(store, tenant_id, sync_id, user_id, by_other_names=True)
        return found.record
    except NotFound:
        of_user = f" of user {user_id}" if user_id else ""
        raise NotFound(f"tenant {tenant_id} has no journey {sync_id}{of_user}") from None


def _journeys_table(found: Sequence[ExecutionRecord]) -> PlainTable:
    table = table_of(
        "SYNC", "USER", "STATUS", "PHASE", "CLAIMS", "CREATED", "ERROR", wraps=("ERROR",)
    )
    for journey in found:
        of, results = journey_input(journey), journey.results or {}
        table.add_row(
            of.sync_id,
            of.user_id,
            styled(journey.status, COLOURS.get(journey.status)),
            str(results.get("phase", "")),
            str(results.get("claims", "")),
            _moment(journey.created_at),
            journey.error or "",
        )
    return table


def _facts(journey: ExecutionRecord) -> PlainTable:
    of = journey_input(journey)
    return facts_of(
        {
            "execution": journey.id,
            "sync": of.sync_id,
            "user": of.user_id,
            "seller": of.seller_id,
            "status": styled(journey.status, COLOURS.get(journey.status)),
            "created": _moment(journey.created_at),
            "flow run": journey.flow_run_id,
            "retries": str(journey.retries) if journey.retries else None,
            "failed step": journey.failed_step,
            "error": journey.error and f"{journey.error} ({journey.error_code})",
        }
    )


def _phases_table(phases: Sequence[PhaseRecord]) -> PlainTable:
    table = table_of(
        "PHASE", "CLAIM", "STATUS", "ROUND", "ATTEMPTS", "TOOK", "RESULT", wraps=("RESULT",)
    )
    for phase in sorted(phases, key=lambda one: (one.phase, one.requested_at)):
        table.add_row(
            PHASES[phase.phase].title,
            phase.trigger.claim_id or "",
            styled(phase.status, COLOURS.get(phase.status)),
            str(phase.round),
            str(phase.attempts),
            _seconds(phase.duration_ms),
            phase.error or phase.message or "",
        )
    return table


def _claims_table(claims: Sequence[ClaimRecord], fees: Sequence[FeeRecord]) -> PlainTable:
    of_claim = {fee.claim_key: fee for fee in fees}
    table = table_of(
        "CLAIM", "STATUS", "ROUTE", "AMOUNT", "CASE", "PAID", "FEE", "CHARGE", wraps=("CHARGE",)
    )
    for claim in claims:
        fee = of_claim.get(claim.id)
        table.add_row(
            claim.claim_id,
            claim.status,
            claim.route or "",
            _money(claim.amount_cents, claim.currency),
            claim.amazon_case_id or "",
            _money(fee.amount_cents, fee.currency) if fee else "",
            _money(fee.fee_cents, fee.currency) if fee else "",
            styled(_charge(fee), "red" if fee.status == "mismatched" else None) if fee else "",
        )
    return table


def _charge(fee: FeeRecord) -> str:
    return f"mismatched: {fee.mismatch}" if fee.status == "mismatched" else fee.status


def _money(cents: int | None, currency: str) -> str:
    return "" if cents is None else f"{cents // 100:,}.{cents % 100:02d} {currency.upper()}"


def _seconds(milliseconds: int | None) -> str:
    return "" if milliseconds is None else f"{milliseconds / 1000:.1f} s"


def _moment(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M:%S}Z"
