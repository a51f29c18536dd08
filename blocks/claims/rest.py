"""What a journey comes to when nothing is left to do for now; pure."""

from collections import Counter
from collections.abc import Sequence
from typing import Literal

import msgspec

from blocks.contracts import ids
from blocks.contracts.claims.phases import PHASES, PhaseNumber
from blocks.contracts.events import JsonObject
from blocks.contracts.records.claims import (
    FINAL_CLAIM_STATUSES,
    ClaimRecord,
    JourneyInput,
    PhaseRecord,
)


class Rest(msgspec.Struct, frozen=True, kw_only=True):
    """`waiting`: for a trigger from outside, or a person's answer; with `failed_step` also for a
    retry of the phases that have failed.
    """

    status: Literal["waiting", "completed", "failed"]
    results: JsonObject = {}
    failed_step: str | None = None
    error: str | None = None
    error_code: str | None = None


def rest_of(
    journey: JourneyInput, phases: Sequence[PhaseRecord], claims: Sequence[ClaimRecord]
) -> Rest | None:
    """None: a phase is requested or running, or its end is not announced yet (`rounds.announce`).

    A failed phase fails the journey once no claim is left that could still move on; a journey is
    completed once its sync is through and each of its claims is paid, rejected or declined.
    """
    if any(phase.is_due for phase in phases):
        return None
    results = _results(phases, claims)
    if journey.named_by_claim and not phases and not claims:
        return Rest(status="completed", results={**results, "joined": True})
    failed = standing_failures(phases)
    failed_step = PHASES[failed[0].phase].name if failed else None
    stuck = {phase.claim_key for phase in failed if phase.claim_key}
    if any(not _is_final(claim) and claim.id not in stuck for claim in claims):
        return Rest(status="waiting", results=results, failed_step=failed_step)
    if failed:
        worst = failed[0]
        return Rest(
            status="failed",
            results=results,
            failed_step=failed_step,
            error=worst.error or "the phase failed",
            error_code=worst.error_code or "phase-failed",
        )
    is_through = _sync_is_through(phases, claims)
    return Rest(status="completed" if is_through else "waiting", results=results)


def completes_sync(
    journey: JourneyInput, phases: Sequence[PhaseRecord], claims: Sequence[ClaimRecord], key: str
) -> bool:
    """Whether the payout of this claim is the last thing that the journey waits for."""
    others = [claim for claim in claims if claim.id != key]
    own = ids.phase_record_id(key, 7)
    if any(phase.is_due for phase in phases if phase.id != own) or standing_failures(phases):
        return False
    return _sync_is_through(phases, claims) and all(_is_final(claim) for claim in others)


def furthest(phases: Sequence[PhaseRecord]) -> PhaseNumber | None:
    """The highest phase that was completed; None: none was."""
    return max((one.phase for one in phases if one.status == "completed"), default=None)


def standing_failures(phases: Sequence[PhaseRecord]) -> list[PhaseRecord]:
    """Those whose failure still counts: no later phase of the sync, or of the claim, has been
    completed since.
    """
    return [
        one
        for one in phases
        if one.status == "failed" and not any(_supersedes(other, one) for other in phases)
    ]


def _is_final(claim: ClaimRecord) -> bool:
    return claim.status in FINAL_CLAIM_STATUSES


def _supersedes(later: PhaseRecord, failed: PhaseRecord) -> bool:
    if later.claim_key != failed.claim_key or later.phase <= failed.phase:
        return False
    if later.status != "completed" or later.completed_at is None or failed.completed_at is None:
        return False
    return later.completed_at >= failed.completed_at


def _sync_is_through(phases: Sequence[PhaseRecord], claims: Sequence[ClaimRecord]) -> bool:
    """Phase 4 was completed, or phase 3 without finding a claim; or nothing of a sync is known."""
    of_sync = {one.phase: one.status for one in phases if one.claim_key is None}
    done = {number for number, status in of_sync.items() if status == "completed"}
    return not of_sync or 4 in done or (3 in done and not claims)


def _results(phases: Sequence[PhaseRecord], claims: Sequence[ClaimRecord]) -> JsonObject:
    counted = Counter(claim.status for claim in claims)
    return {"phase": furthest(phases) or 0, "claims": len(claims), **dict(sorted(counted.items()))}
