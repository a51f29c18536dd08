"""The services that claim recovery works with, as the platform documents their routes and bodies.

A body depends on nothing but what is asked: under one Idempotency-Key it is always the same.
"""

from collections.abc import Callable, Mapping
from decimal import Decimal
from types import TracebackType
from typing import Any, Literal, Self, TypeVar

import msgspec

from blocks.claims.asking.answers import (
    DetectionResult,
    MatchingResult,
    SubmissionResult,
    SyncResult,
    read_detection,
    read_matching,
    read_rejection,
    read_submission,
    read_sync,
)
from blocks.claims.asking.calls import Call, ServiceCalls
from blocks.claims.asking.charges import Charge, read_charge
from blocks.claims.asking.circuits import Circuits
from blocks.claims.asking.failed import Service
from blocks.claims.asking.failed import ServiceFailed as ServiceFailed
from blocks.contracts.claims.findings import Claim, route_of
from blocks.contracts.claims.money import Currency, units
from blocks.contracts.events import JsonObject
from blocks.processes.retries import Retries
from blocks.settings import Claims

T = TypeVar("T")

Owner = Literal["integrations_url", "python_api_url"]

ROUTES: Mapping[Service, tuple[Owner, str]] = {
    "sync": ("integrations_url", "/api/v1/amazon/sync"),
    "detection": ("integrations_url", "/api/v1/detections/run"),
    "matching": ("python_api_url", "/api/internal/evidence/matching/run"),
    "submission": ("python_api_url", "/api/v1/disputes/submit"),
    "rejections": ("python_api_url", "/api/v1/claim-detector/rejections/log"),
    "payments": ("integrations_url", "/api/v1/stripe/charge-commission"),
}
"""Where each service is, unless the setting `claims.<service>_url` names its address."""

_CATEGORIES = {"auto_submit": "high", "smart_prompt": "medium", "manual_review": "low"}

# An amount is a JSON number with two decimals, as its service reads it.
_body = msgspec.json.Encoder(decimal_format="number")


class ClaimServices:
    """Every service, asked over HTTP. Lives as long as its process, or as one flow run.

    Every method raises `ServiceFailed` once its retries are used up; `key` is the Idempotency-Key,
    and the same at every repetition.
    """

    def __init__(
        self,
        settings: Claims,
        *,
        retries: Retries | None = None,
        circuits: Circuits | None = None,
    ) -> None:
        self._settings = settings
        self._calls = ServiceCalls(
            token=settings.services_token, retries=retries, circuits=circuits
        )

    async def __aenter__(self) -> Self:
        await self._calls.__aenter__()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._calls.__aexit__(kind, error, trace)

    async def sync(self, user_id: str, seller_id: str, sync_id: str, key: str) -> SyncResult:
        """The seller's data of the last 18 months has been read; takes up to
        `claims.sync_seconds`.
        """
        body = {"user_id": user_id, "seller_id": seller_id, "sync_id": sync_id}
        return await self._ask(
            "sync", user_id, body, key, read_sync, limit_seconds=self._settings.sync_seconds
        )

    async def detect(self, user_id: str, seller_id: str, sync_id: str, key: str) -> DetectionResult:
        """What is owed to the seller has been looked for, or will be."""
        body = {
            "user_id": user_id,
            "seller_id": seller_id,
            "sync_id": sync_id,
            "source_type": "sp_api",
            "trigger_type": "sp_api_sync",
            "is_sandbox": self._settings.sandbox,
        }
        return await self._ask("detection", user_id, body, key, read_detection)

    async def match(self, user_id: str, claims: list[Claim], key: str) -> MatchingResult:
        """Evidence for the claims has been matched, or will be."""
        body = {"user_id": user_id, "claims": [self._on_wire(claim) for claim in claims]}
        return await self._ask("matching", user_id, body, key, read_matching)

    async def submit(self, user_id: str, claim_id: str, key: str) -> SubmissionResult:
        """The claim is with Amazon."""
        body = {"user_id": user_id, "claim_id": claim_id}
        return await self._ask("submission", user_id, body, key, read_submission)

    async def log_rejection(
        self, user_id: str, claim_id: str, amazon_case_id: str | None, reason: str, key: str
    ) -> None:
        """The claim detector knows the rejection, and learns from it."""
        body = {
            "user_id": user_id,
            "claim_id": claim_id,
            "amazon_case_id": amazon_case_id,
            "rejection_reason": reason,
        }
        await self._ask("rejections", user_id, body, key, read_rejection)

    async def charge(
        self,
        *,
        user_id: str,
        claim_id: str,
        amount_cents: int,
        fee_cents: int,
        currency: Currency,
        key: str,
    ) -> Charge:
        """The commission (`fee_cents`) on what was recovered (`amount_cents`) is charged, once for
        the key.

        `commissionCents` is ours beside the documented fields: a service that computes the
        commission itself must come to the same. What it answers is compared by
        `blocks.claims.money.fees`.
        """
        body = {
            "userId": user_id,
            "claimId": claim_id,
            "amountRecoveredCents": amount_cents,
            "commissionCents": fee_cents,
            "currency": currency,
            "idempotencyKey": key,
        }
        return await self._ask("payments", user_id, body, key, read_charge)

    async def _ask(
        self,
        service: Service,
        user_id: str,
        body: JsonObject,
        key: str,
        read: Callable[[JsonObject], T],
        *,
        limit_seconds: float | None = None,
    ) -> T:
        return await self._calls.make(
            Call(
                service=service,
                url=url_of(self._settings, service),
                user_id=user_id,
                body=_body.encode(body),
                key=key,
                limit_seconds=limit_seconds or self._settings.call_seconds,
                read=read,
            )
        )

    def _on_wire(self, claim: Claim) -> dict[str, Any]:
        route = route_of(
            claim.confidence,
            auto=self._settings.confidence_auto,
            prompt=self._settings.confidence_prompt,
        )
        amount = None if claim.amount_cents is None else Decimal(units(claim.amount_cents))
        return {
            **claim.details,
            "claim_id": claim.claim_id,
            "claim_type": claim.claim_type,
            "amount": amount,
            "currency": claim.currency,
            "confidence": claim.confidence,
            "confidence_category": _CATEGORIES[route],
            "is_sandbox": claim.is_sandbox,
        }


def url_of(settings: Claims, service: Service) -> str:
    """The address to which this service's requests go."""
    own: str = getattr(settings, f"{service}_url")
    owner, path = ROUTES[service]
    base: str = getattr(settings, owner)
    return own or f"{base.rstrip('/')}{path}"
