"""`orchestrator demo claims`: a user's account is connected, and each phase of the recovery of
their claims is shown as it ends, over the routes that a page or a service uses.
"""

import sys
from collections.abc import Callable, Sequence
from uuid import uuid4

import click
import httpx

from blocks.contracts.claims.money import units
from blocks.contracts.events import JsonObject
from blocks.contracts.roles import Role
from blocks.settings import Settings
from deployments.cli.demo.claims_api import ClaimsApi
from deployments.cli.demo.claims_end import print_end
from deployments.cli.demo.claims_lines import claims_table, money
from deployments.cli.demo.claims_watch import Watch
from deployments.cli.demo.credential import demo_headers
from deployments.cli.demo.failed import DemoFailed
from deployments.cli.demo.stack import ready_stack
from deployments.local.readiness import api_url
from deployments.local.terminal import say_plainly
from deployments.printing import console, say_line

ROLES: Sequence[Role] = ("viewer", "operator", "approver")
"""It triggers phases as a service, and answers as a person."""


async def run_claims_demo(
    settings: Settings, tenant_id: str, *, answer: str | None, limit_seconds: float
) -> None:
    """One claim has been paid, and its packet can be found. Raises `DemoFailed` with the reason if
    not.
    """
    named = uuid4().hex[:8]
    async with (
        ready_stack(settings),
        demo_headers(settings, tenant_id, ROLES) as headers,
        httpx.AsyncClient(
            base_url=f"{api_url(settings)}/api/v1", headers=headers, timeout=10
        ) as client,
    ):
        api = ClaimsApi(client, f"demo-user-{named}", f"demo-sync-{named}")
        say_plainly(f"\nUser {api.user_id}, sync {api.sync_id}, tenant {tenant_id}\n")
        await _recover(api, Watch(api, limit_seconds), answer)
        await print_end(settings, tenant_id, api)


async def _recover(api: ClaimsApi, watch: Watch, answer: str | None) -> None:
    await api.trigger(1)
    journey = await watch.until(_is_routed, "phase 4")
    say_plainly()
    console().print(claims_table(journey["claims"]))
    for prompt in journey["prompts"]:
        if prompt["status"] == "pending":
            await _answer(api, prompt["claimId"], answer)
    say_plainly()
    journey = await watch.until(_is_submitted, "the submission of claims")
    await _pay_one(api, watch, journey)


def _is_routed(journey: JsonObject) -> bool:
    return any(
        one["phase"] == 4 and one["status"] == "completed" for one in journey["phases"]
    ) and not any(claim["status"] in ("found", "matched") for claim in _not_sure(journey))


def _not_sure(journey: JsonObject) -> list[JsonObject]:
    """The sure ones are submitted by themselves, now or soon."""
    return [claim for claim in journey["claims"] if claim.get("route") != "auto_submit"]


def _is_submitted(journey: JsonObject) -> bool:
    """Whether each claim has come as far as it does by itself."""
    on_their_way = ("found", "matched", "prompted")
    return not any(claim["status"] in on_their_way for claim in journey["claims"])


async def _answer(api: ClaimsApi, claim_id: str, answer: str | None) -> None:
    prompt = await api.prompt(claim_id)
    say_line("")
    say_line(f"Smart prompt: {prompt['question']}")
    if answer is None and sys.stdin.isatty():
        answer = "confirm" if click.confirm("Does it?", default=True) else "reject"
    elif answer is None:
        answer = "confirm"
        say_line("No terminal to ask at: confirmed (--answer confirm|reject chooses)")
    else:
        say_line(f"Answered with --answer {answer}")
    await api.answer(prompt, "confirm_evidence" if answer == "confirm" else "reject_evidence")


async def _pay_one(api: ClaimsApi, watch: Watch, journey: JsonObject) -> None:
    claim = next((one for one in journey["claims"] if one["status"] == "submitted"), None)
    if claim is None:
        raise DemoFailed("no claim was submitted, so none can be paid")
    claim_id, cents, currency = claim["claimId"], claim["amountCents"], claim.get("currency", "usd")
    say_plainly()
    say_line(f"Amazon pays {money(cents, currency)} for {claim_id}: phase 7 is triggered")
    say_plainly()
    await api.trigger(
        7,
        claim_id=claim_id,
        amazon_case_id=claim.get("amazonCaseId"),
        amount=units(cents),
        currency=currency,
    )
    await watch.until(_is_paid(claim_id), "the payout")


def _is_paid(claim_id: str) -> Callable[[JsonObject], bool]:
    def is_paid(journey: JsonObject) -> bool:
        return any(
            one["phase"] == 7 and one["status"] == "completed" and one.get("claimId") == claim_id
            for one in journey["phases"]
        )

    return is_paid
