"""What a person is notified of when a phase begins or ends; titles, messages and data as the
platform's pages know them.

A notification is made from `PhaseEvent.result`, so each phase has to put these keys into it:

| phase | keys of its `result` |
| --- | --- |
| 1 | `sync_id`, `seller_id` |
| 2 | `orders_count`, `inventory_items`, `is_sandbox`, `mode` (`SANDBOX` or `PRODUCTION`) |
| 3 | `claims_found` (a count), `high_confidence`, `medium_confidence`, `success_probability` (whole
      percent), `is_sandbox`, `mode` |
| 4 | `matches`, `auto_submits`, `smart_prompts`, `manual_review` (counts) |
| 5 | `claim_id`, `amazon_case_id`, `status` (`submitted`) |
| 6 | `claim_id`, `amazon_case_id`, `rejection_reason`, `learning_triggered` |
| 7 | `claim_id`, `amazon_case_id`, `amount_recovered`, `platform_fee`, `seller_payout` (units: a
      number or its text), `currency`, `proof_packet_id` |

A key that is missing is null in the notification. Further keys are passed on in the phase's own
event (`workflow.phase.<n>.completed`), and in no notification.
"""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from decimal import ROUND_HALF_UP, Decimal, InvalidOperation
from typing import Any, Literal

import msgspec

from blocks.contracts.claims.phases import PHASES
from blocks.contracts.events import JsonObject, PhaseEvent

Kind = Literal["info", "success", "warning", "error"]

_CURRENCY_SIGNS = {"usd": "$", "eur": "€", "gbp": "£", "cad": "CA$"}


class Notification(msgspec.Struct, frozen=True, omit_defaults=True):
    """As it is sent: `data` only where there is some."""

    type: Kind
    title: str
    message: str
    data: JsonObject = {}


def of_start(event: PhaseEvent) -> Iterator[Notification]:
    """Only onboarding announces its beginning."""
    if event.phase == 1:
        yield Notification(
            "info",
            "Onboarding Started",
            "Connected to Amazon!",
            {"user_id": event.user_id, "timestamp": written(event.timestamp)},
        )


def of_completion(event: PhaseEvent) -> Iterator[Notification]:
    yield from _OF_COMPLETION[event.phase](event)


def of_failure(event: PhaseEvent) -> Iterator[Notification]:
    """That it failed and why, and the rollback if one follows."""
    error = stated_error(event)
    yield Notification(
        "error",
        f"{PHASES[event.phase].title} failed",
        error,
        {"failed_phase": event.phase, "sync_id": event.sync_id, "error": error}
        | ({"claim_id": event.claim_id} if event.claim_id is not msgspec.UNSET else {}),
    )
    if event.rollback_to is not msgspec.UNSET:
        yield Notification(
            "warning",
            "Workflow Rollback",
            f"Phase {event.phase} failed - rolled back to Phase {event.rollback_to}",
            {
                "failed_phase": event.phase,
                "rollback_to_phase": event.rollback_to,
                "error": error,
            },
        )


def written(moment: datetime) -> str:
    """As pages write it: UTC, with milliseconds and `Z`."""
    utc = moment.astimezone(UTC).replace(tzinfo=None)
    return f"{utc.isoformat(timespec='milliseconds')}Z"


def stated_error(event: PhaseEvent) -> str:
    return event.error if event.error is not msgspec.UNSET else event.message or "Unknown error"


def _onboarding(event: PhaseEvent) -> Iterator[Notification]:
    data = {
        "sync_started": True,
        "sync_id": event.result.get("sync_id") or event.sync_id,
        "next_step": "Syncing your data... (30 seconds)",
    }
    yield Notification("success", "Onboarding Complete", "Connected to Amazon!", data)


def _discovery(event: PhaseEvent) -> Iterator[Notification]:
    data = (
        _picked(event, "orders_count", "inventory_items")
        | {"next_step": "Running detection algorithms..."}
        | _picked(event, "is_sandbox", "mode")
    )
    message = "Data sync complete! Scanning for potential claims..."
    yield Notification("info", "Analyzing your orders…", message, data)


def _detection(event: PhaseEvent) -> Iterator[Notification]:
    found = event.result.get("claims_found") or 0
    scores = _picked(event, "high_confidence", "medium_confidence", "success_probability")
    mode = _picked(event, "is_sandbox", "mode")
    yield Notification(
        "success",
        "Detection Complete",
        f"{found} potential claims found! Matching evidence...",
        {"claims_found": found, **scores, "next_step": "Matching evidence documents...", **mode},
    )
    if probability := scores["success_probability"]:
        message = (
            f"Based on ML confidence scoring: {scores['high_confidence'] or 0} high, "
            f"{scores['medium_confidence'] or 0} medium confidence claims"
        )
        yield Notification(
            "info", f"Success probability: {probability}%", message, {**scores, **mode}
        )
    if mode["is_sandbox"]:
        message = f"Running evidence validator on {found} claims"
        yield Notification("info", "Validating evidence", message, {"claims_count": found, **mode})


def _routing(event: PhaseEvent) -> Iterator[Notification]:
    data = _picked(event, "auto_submits", "smart_prompts", "manual_review")
    yield Notification(
        "success",
        "Evidence Matching Complete",
        f"{data['auto_submits'] or 0} claims ready for automatic submission",
        data | {"next_step": "Submitting high-confidence claims..."},
    )


def _submission(event: PhaseEvent) -> Iterator[Notification]:
    data = _of_claim(event) | _picked(event, "status")
    yield Notification(
        "success",
        "Claim Submitted",
        f"Claim submitted to Amazon (Case #{data['amazon_case_id'] or 'pending'})",
        data | {"next_step": "Amazon reviewing claim..."},
    )


def _rejection(event: PhaseEvent) -> Iterator[Notification]:
    data = _of_claim(event) | _picked(event, "rejection_reason", "learning_triggered")
    message = "Claim rejected - system learning from this feedback"
    yield Notification("warning", "Claim Rejected", message, data)


def _payout(event: PhaseEvent) -> Iterator[Notification]:
    data = _of_claim(event) | _picked(
        event, "amount_recovered", "platform_fee", "seller_payout", "proof_packet_id"
    )
    kept = _money(data["seller_payout"], event.result.get("currency"))
    message = f"Payment received! You keep {kept}" if kept else "Payment received!"
    yield Notification("success", "Payout Received", message, data)


_OF_COMPLETION: dict[int, Callable[[PhaseEvent], Iterator[Notification]]] = {
    1: _onboarding,
    2: _discovery,
    3: _detection,
    4: _routing,
    5: _submission,
    6: _rejection,
    7: _payout,
}


def _of_claim(event: PhaseEvent) -> JsonObject:
    stated = event.claim_id if event.claim_id is not msgspec.UNSET else None
    return {
        "claim_id": event.result.get("claim_id") or stated,
        "amazon_case_id": event.result.get("amazon_case_id"),
    }


def _picked(event: PhaseEvent, *keys: str) -> JsonObject:
    return {key: event.result.get(key) for key in keys}


def _money(amount: Any, currency: Any) -> str:
    """With two decimals and the currency's sign; empty for what is no amount."""
    try:
        units = Decimal(str(amount)).quantize(Decimal("0.01"), rounding=ROUND_HALF_UP)
    except InvalidOperation:
        return ""
    code = str(currency or "usd").lower()
    return f"{_CURRENCY_SIGNS.get(code, code.upper() + ' ')}{units}"
