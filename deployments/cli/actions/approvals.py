"""Deciding from a terminal."""

from collections.abc import Sequence
from typing import Any

import click
import msgspec

from api.approvals.documents import Approval, approval_of
from blocks.approvals.decisions import Vote
from blocks.contracts.approvals import Outcome
from blocks.contracts.identities import NoIdentity, user_id
from blocks.json_text import read_json_object
from blocks.ports import NotFound
from blocks.services import open_bus, open_store
from blocks.settings import load_settings
from deployments.cli.acts import audited
from deployments.prefect.server import use_prefect


async def decide(
    tenant_id: str,
    approval_id: str,
    actor: str,
    roles: Sequence[str],
    outcome: str,
    reason: str | None,
    form: str | None,
) -> Approval:
    """The decision is on the record. Raises `Refused`, or `NotFound` with a readable message."""
    settings = use_prefect(load_settings())

    # after the environment is set
    from blocks import deciding
    from blocks.adapters.prefect.flow_runs import PrefectFlowRuns

    actor = _user(actor)
    vote = Vote(
        actor=actor,
        roles=frozenset(roles),
        outcome=msgspec.convert(outcome, Outcome),
        channel="cli",
        reason=reason,
        form=read_form(form),
    )
    async with (
        open_store(settings) as store,
        open_bus(settings, "cli") as bus,
        PrefectFlowRuns(settings.prefect.api_url) as flow_runs,
    ):
        command = "approvals approve" if vote.outcome == "approved" else "approvals reject"
        try:
            async with audited(store, tenant_id, command, actor, approval_id) as recorded:
                decided = await deciding.decide(
                    recorded, bus, flow_runs, tenant_id, approval_id, vote
                )
                return approval_of(decided)
        except NotFound:
            raise NotFound(f"tenant {tenant_id} has no approval {approval_id}") from None


def _user(stated: str) -> str:
    try:
        return user_id(stated)
    except NoIdentity as error:
        raise click.BadParameter(str(error), param_hint="--as") from None


def read_form(text: str | None) -> dict[str, Any] | None:
    try:
        return read_json_object(text) if text else None
    except ValueError as error:
        raise click.BadParameter(f"is not a JSON object: {error}", param_hint="--form") from None
