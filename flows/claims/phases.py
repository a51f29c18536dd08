"""What each phase does: the call that it makes, what it finds, and which phase follows.

Contract: a phase may be done twice. Its call carries the same key each time, claims only move on,
and what follows is requested once. Source of the steps and of the results' fields: the platform's
workflow contract.
"""

from collections import Counter
from collections.abc import Awaitable, Callable
from decimal import Decimal
from math import floor
from typing import Any

import msgspec

from blocks.claims import claims, prompts, triggers
from blocks.claims.money import fees
from blocks.claims.money.fee_decisions import MISMATCH_CODE
from blocks.claims.packets import facts_of, make_packet
from blocks.claims.prompt_rules import prompt_rule
from blocks.claims.services import ServiceFailed
from blocks.clock import utc_now
from blocks.contracts import ids
from blocks.contracts.claims.findings import Claim, Match, Route, route_of
from blocks.contracts.claims.money import json_number
from blocks.contracts.claims.requests import PhaseTrigger
from blocks.contracts.events import JsonObject
from blocks.contracts.records import ExecutionRecord
from blocks.contracts.records.claims import ClaimRecord, PhaseRecord
from blocks.ports import Stored
from blocks.processes import fault_points
from flows.claims.parts import Parts

ROUTABLE = ("found", "matched")
"""Claims that evidence still routes; the others are on their way."""


class PhaseFailed(Exception):
    """The phase cannot be completed, for this reason."""

    def __init__(self, code: str, reason: str) -> None:
        super().__init__(reason)
        self.code = code


class Done(msgspec.Struct, frozen=True):
    """A completed phase: its result, and the sentence that pages show."""

    result: JsonObject
    message: str


class Work(msgspec.Struct, frozen=True, kw_only=True):
    """One round of a phase, as it is being done."""

    parts: Parts
    journey: ExecutionRecord
    phase: PhaseRecord

    @property
    def trigger(self) -> PhaseTrigger:
        return self.phase.trigger

    @property
    def key(self) -> str:
        """The Idempotency-Key of its call."""
        return ids.phase_call_id(self.phase.id, self.phase.round)

    @property
    def mode(self) -> JsonObject:
        sandbox = self.parts.context.settings.claims.sandbox
        return {"is_sandbox": sandbox, "mode": "SANDBOX" if sandbox else "PRODUCTION"}

    @property
    def claim_key(self) -> str:
        assert self.phase.claim_key is not None, "phases 5 to 7 are of a claim"
        return self.phase.claim_key

    async def claim(self) -> ClaimRecord:
        store = self.parts.context.store
        return (await store.read(self.journey.tenant_id, ClaimRecord, self.claim_key)).record

    async def follow_with(self, trigger: PhaseTrigger) -> None:
        """This phase is requested, unless it has been since this one was."""
        context = self.parts.context
        await triggers.accept(
            context.store,
            context.bus,
            self.journey.tenant_id,
            trigger,
            triggered_by=f"phase_{self.phase.phase}",
            since=self.phase.requested_at,
        )


async def do(work: Work) -> Done:
    """The phase is done. Raises `ServiceFailed`, `PhaseFailed` and what the store raises."""
    return await _PHASES[work.phase.phase](work)


async def _onboard(work: Work) -> Done:
    trigger = work.trigger
    seller_id = trigger.seller_id or trigger.user_id
    found = await work.parts.services.sync(trigger.user_id, seller_id, work.phase.sync_id, work.key)
    await work.follow_with(
        _next(
            work,
            phase=2,
            orders_count=found.orders_count,
            inventory_items=found.inventory_items,
            seller_id=seller_id,
        )
    )
    return Done(
        {"sync_id": work.phase.sync_id, "seller_id": seller_id},
        "Phase 1: Onboarding complete - sync started",
    )


async def _discover(work: Work) -> Done:
    trigger = work.trigger
    seller_id = trigger.seller_id or str(work.journey.input.get("sellerId") or trigger.user_id)
    found = await work.parts.services.detect(
        trigger.user_id, seller_id, work.phase.sync_id, work.key
    )
    if found.claims is not None:
        await work.follow_with(_next(work, phase=3, claims=found.claims))
    return Done(
        {
            "orders_count": trigger.orders_count,
            "inventory_items": trigger.inventory_items,
            "detection_job_queued": True,
            **work.mode,
        },
        "Phase 2: Sync complete - detection started",
    )


async def _match(work: Work) -> Done:
    trigger, context = work.trigger, work.parts.context
    asks = await _asks(work)
    for found in trigger.claims:
        await claims.name_claim(context.store, context.bus, work.journey, found)
    if trigger.claims:
        matched = await work.parts.services.match(trigger.user_id, trigger.claims, work.key)
        if matched.matches is not None:
            await work.follow_with(_next(work, phase=4, matches=matched.matches))
    counted = Counter(_route(work, found.confidence, asks=asks) for found in trigger.claims)
    return Done(
        {
            "claims_found": len(trigger.claims),
            "high_confidence": counted["auto_submit"],
            "medium_confidence": counted["smart_prompt"],
            "success_probability": _mean_percent(trigger.claims),
            "evidence_matching_triggered": bool(trigger.claims),
            **work.mode,
        },
        "Phase 3: Detection complete - evidence matching started",
    )


def _mean_percent(found: list[Claim]) -> int:
    """Of the claims' confidences, half up as in the source; 0 without a claim."""
    return floor(sum(claim.confidence for claim in found) / len(found) * 100 + 0.5) if found else 0


async def _route_claims(work: Work) -> Done:
    counted: Counter[Route] = Counter()
    asks = await _asks(work)
    for match in work.trigger.matches:
        counted[await _route_claim(work, match, asks=asks)] += 1
    return Done(
        {
            "matches": len(work.trigger.matches),
            "auto_submits": counted["auto_submit"],
            "smart_prompts": counted["smart_prompt"],
            "manual_review": counted["manual_review"],
        },
        "Phase 4: Evidence matching complete - routing claims",
    )


async def _asks(work: Work) -> bool:
    """Whether the tenant's people are asked: unless it has switched that off, or the platform."""
    context = work.parts.context
    rule = await prompt_rule(context.store, work.journey.tenant_id, context.settings)
    return rule.enabled and context.settings.claims.smart_prompts


async def _route_claim(work: Work, match: Match, *, asks: bool) -> Route:
    """Where the match goes; its claim is on its way there, unless it was on another before."""
    context, route = work.parts.context, _route(work, match.confidence, asks=asks)
    found = Claim(claim_id=match.claim_id)
    claim = await claims.name_claim(context.store, context.bus, work.journey, found)
    if claim.record.status == "prompted":  # by a run that may have ended before it asked
        await _ask(work, claim, match)
    if claim.record.status not in ROUTABLE:
        return route
    claim = await _matched(work, claim, match, route)
    match route:
        case "auto_submit":
            await work.follow_with(
                PhaseTrigger(
                    phase=5,
                    user_id=work.trigger.user_id,
                    sync_id=work.phase.sync_id,
                    names_sync=True,
                    claim_id=match.claim_id,
                )
            )
        case "smart_prompt":
            await _ask(work, claim, match)
        case "manual_review":
            await claims.move_on(
                context.store, work.journey.tenant_id, claim.record.id, "review", route=route
            )
    return route


async def _ask(work: Work, claim: Stored[ClaimRecord], match: Match) -> None:
    context = work.parts.context
    await prompts.ask(context.store, context.bus, context.settings, claim, match, work.journey)


async def _matched(
    work: Work, claim: Stored[ClaimRecord], match: Match, route: Route
) -> Stored[ClaimRecord]:
    return await claims.move_on(
        work.parts.context.store,
        work.journey.tenant_id,
        claim.record.id,
        "matched",
        route=route,
        match_confidence=match.confidence,
    )


def _route(work: Work, confidence: float, *, asks: bool) -> Route:
    """By the thresholds; a switch that is off sends what it governs one step closer to a person."""
    settings = work.parts.context.settings.claims
    route = route_of(confidence, auto=settings.confidence_auto, prompt=settings.confidence_prompt)
    if route == "auto_submit" and not settings.auto_submit:
        route = "smart_prompt"
    if route == "smart_prompt" and not asks:
        route = "manual_review"
    return route


async def _submit(work: Work) -> Done:
    trigger, claim = work.trigger, await work.claim()
    case_id = trigger.amazon_case_id
    if claim.status == "paid":
        raise PhaseFailed("claim-paid", "the claim was paid before it was submitted")
    if case_id is None:
        submitted = await work.parts.services.submit(trigger.user_id, claim.claim_id, work.key)
        case_id = submitted.amazon_case_id
    changes: dict[str, Any] = {"amazon_case_id": case_id} if case_id else {}
    await claims.move_on(
        work.parts.context.store,
        work.journey.tenant_id,
        claim.id,
        "submitted",
        submissions=claim.submissions + 1,
        submitted_at=utc_now(),
        **changes,
    )
    if case_id:
        await claims.name_case(work.parts.context.store, claim.tenant_id, claim.id, case_id)
    return Done(
        {"claim_id": claim.claim_id, "amazon_case_id": case_id, "status": "submitted"},
        "Phase 5: Claim submitted - tracking started",
    )


async def _learn(work: Work) -> Done:
    trigger, claim = work.trigger, await work.claim()
    reason = trigger.rejection_reason or "Unknown reason"
    case_id = trigger.amazon_case_id or claim.amazon_case_id
    if claim.status == "paid":
        raise PhaseFailed("claim-paid", "the claim was paid before it was rejected")
    await work.parts.services.log_rejection(
        trigger.user_id, claim.claim_id, case_id, reason, work.key
    )
    changes: dict[str, Any] = {"amazon_case_id": case_id} if case_id else {}
    await claims.move_on(
        work.parts.context.store,
        work.journey.tenant_id,
        claim.id,
        "rejected",
        rejection_reason=reason,
        **changes,
    )
    return Done(
        {
            "claim_id": claim.claim_id,
            "amazon_case_id": case_id,
            "rejection_reason": reason,
            "learning_triggered": True,
        },
        "Phase 6: Rejection logged - learning triggered",
    )


async def _pay(work: Work) -> Done:
    """The fee, the packet, and then the claim is paid: what is left undone is done again."""
    trigger, claim, context = work.trigger, await work.claim(), work.parts.context
    assert trigger.amount_cents is not None, "a payout has an amount"
    # Of a first call; a line that the ledger has keeps its own.
    percent = Decimal(context.settings.claims.fee_percent)
    currency = trigger.currency if trigger.names_currency else claim.currency
    fee = await fees.charge_fee(
        context.store, work.parts.services, claim, trigger.amount_cents, currency, percent
    )
    facts = await facts_of(context.store, claim)
    packet = await make_packet(context.store, work.parts.files, facts)
    if packet.status != "completed":
        raise PhaseFailed("packet-failed", f"the proof packet was not made: {packet.error}")
    case_id = trigger.amazon_case_id or claim.amazon_case_id
    changes: dict[str, Any] = {"amazon_case_id": case_id} if case_id else {}
    fault_points.reached("after-packet")
    await claims.move_on(
        context.store, work.journey.tenant_id, claim.id, "paid", paid_at=utc_now(), **changes
    )
    return Done(
        {
            "claim_id": claim.claim_id,
            "amazon_case_id": case_id,
            "amount_recovered": json_number(fee.amount_cents),
            "platform_fee": json_number(fee.fee_cents),
            "seller_payout": json_number(fee.payout_cents),
            "currency": fee.currency,
            "proof_packet_id": packet.id,
        },
        "Phase 7: Payout processed - proof packet generated",
    )


_PHASES: dict[int, Callable[[Work], Awaitable[Done]]] = {
    1: _onboard,
    2: _discover,
    3: _match,
    4: _route_claims,
    5: _submit,
    6: _learn,
    7: _pay,
}


def _next(work: Work, **fields: Any) -> PhaseTrigger:
    return PhaseTrigger(
        user_id=work.trigger.user_id, sync_id=work.phase.sync_id, names_sync=True, **fields
    )


def failure_of(error: Exception) -> tuple[str, str]:
    """The code and the reason that the phase shows."""
    match error:
        case ServiceFailed():
            return error.code, f"{error.service}: {error.reason}"
        case PhaseFailed():
            return error.code, str(error)
        case fees.FeeMismatch():
            return MISMATCH_CODE, f"payments: {error}"
    return "phase-error", f"{type(error).__name__}: {error}"
