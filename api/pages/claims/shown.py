"""A journey as its page shows it: seven phases in a line, money with its currency, open prompts."""

from collections.abc import Sequence

import msgspec

from api.claims.documents import Journey, JourneyPhase
from api.claims.evidence.prompt_documents import status_of
from blocks.contracts.claims.money import Currency, units
from blocks.contracts.claims.phases import PHASES
from blocks.contracts.claims.prompts import Prompt, prompt_of
from blocks.contracts.records import ApprovalRecord
from blocks.ports import RecordStore
from blocks.queries import those

_STATES = {"requested": "busy", "running": "busy", "completed": "done", "failed": "bad"}
_WORST = ("bad", "busy", "done", "next")
"""Where several claims are at a phase, the first of these that holds."""


class OpenPrompt(msgspec.Struct, frozen=True):
    """A question that waits for its answer."""

    approval: ApprovalRecord
    prompt: Prompt


class Total(msgspec.Struct, frozen=True):
    """What was recovered in a currency; cents."""

    currency: Currency
    amount: int
    fee: int
    payout: int


def progress_of(journey: Journey, prompts: Sequence[OpenPrompt]) -> list[tuple[str, str]]:
    """Each phase with its state; one waits where a person must answer before the next begins."""
    steps = [
        (PHASES[number].title.partition(": ")[2], _state(journey.phases, number))
        for number in sorted(PHASES)
    ]
    if prompts:
        at = next((n for n, (_, state) in enumerate(steps) if state == "next"), len(steps) - 1)
        steps[at] = (steps[at][0], "waiting")
    return steps


def totals_of(journey: Journey) -> list[Total]:
    """By currency: amounts of two currencies have no sum."""
    found = []
    for currency in sorted({one.currency for one in journey.money}):
        fees = [one for one in journey.money if one.currency == currency]
        found.append(
            Total(
                currency,
                sum(one.amount_cents for one in fees),
                sum(one.fee_cents for one in fees),
                sum(one.payout_cents for one in fees),
            )
        )
    return found


def money(cents: int | None, currency: str) -> str:
    """`1,234.50 USD`"""
    if cents is None:
        return "–"
    whole, _, rest = units(cents).partition(".")
    sign = "-" if cents < 0 else ""
    return f"{sign}{abs(int(whole)):,}.{rest} {currency.upper()}"


async def open_prompts(store: RecordStore, tenant_id: str, journey: Journey) -> list[OpenPrompt]:
    """Those of the journey's claims that can still be answered, oldest first."""
    ids = [one.approval_id for one in journey.prompts if one.status == "pending"]
    found = await those(store, tenant_id, ApprovalRecord, ids)
    approvals = [stored.record for stored in found.values()]
    return [
        OpenPrompt(approval, prompt)
        for approval in sorted(approvals, key=lambda one: one.created_at)
        if status_of(approval) == "pending" and (prompt := prompt_of(approval))
    ]


def _state(phases: Sequence[JourneyPhase], number: int) -> str:
    states = {_STATES[one.status] for one in phases if one.phase == number}
    return next(state for state in _WORST if state in states or state == "next")
