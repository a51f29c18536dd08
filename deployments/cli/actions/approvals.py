"""Deciding, asking back and answering from a terminal."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import click
import msgspec

from blocks.approvals import lifecycle
from blocks.approvals.decisions import Vote
from blocks.approvals.questions import Ask, answered
from blocks.clock import utc_now
from blocks.contracts.approvals import Outcome
from blocks.contracts.identities import NoIdentity, user_id
from blocks.contracts.records import ApprovalRecord
from blocks.json_text import read_json_object
from blocks.ports import EventBus, FlowRuns, NotFound, RecordStore
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
) -> ApprovalRecord:
    """The decision is on the record. Raises `Refused`, or `NotFound` with a readable message."""
    from blocks import deciding

    actor = _user(actor)
    vote = Vote(
        actor=actor,
        roles=frozenset(roles),
        outcome=msgspec.convert(outcome, Outcome),
        channel="cli",
        reason=reason,
        form=_form(form),
    )
    command = "approvals approve" if vote.outcome == "approved" else "approvals reject"
    async with _at_work(tenant_id, approval_id, command, actor) as (store, bus, flow_runs):
        return await deciding.decide(store, bus, flow_runs, tenant_id, approval_id, vote)


async def ask_back(
    tenant_id: str, approval_id: str, actor: str, roles: Sequence[str], text: str
) -> ApprovalRecord:
    """The question is on the record. Raises as `decide` does."""
    from blocks import deciding

    actor = _user(actor)
    ask = Ask(actor=actor, roles=frozenset(roles), channel="cli", text=text)
    async with _at_work(tenant_id, approval_id, "approvals ask", actor) as (store, bus, flow_runs):
        return await deciding.ask_back(store, bus, flow_runs, tenant_id, approval_id, ask)


async def answer(tenant_id: str, approval_id: str, actor: str, text: str) -> ApprovalRecord:
    """The open question has this answer. Raises as `decide` does."""
    from blocks import deciding

    async with _at_work(tenant_id, approval_id, "approvals answer", actor) as (
        store,
        bus,
        flow_runs,
    ):
        stored = await lifecycle.change(
            store,
            tenant_id,
            approval_id,
            lambda one: answered(one, actor, text, "cli", utc_now()),
        )
        return await deciding.follow_up(store, bus, flow_runs, stored)


@asynccontextmanager
async def _at_work(
    tenant_id: str, approval_id: str, command: str, actor: str
) -> AsyncIterator[tuple[RecordStore, EventBus, FlowRuns]]:
    """What is changed through this store is on the audit log. Raises `NotFound` with a readable
    message.
    """
    settings = use_prefect(load_settings())

    # after the environment is set
    from blocks.adapters.prefect.flow_runs import PrefectFlowRuns

    async with (
        open_store(settings) as store,
        open_bus(settings, "cli") as bus,
        PrefectFlowRuns(settings.prefect.api_url) as flow_runs,
    ):
        try:
            async with audited(store, tenant_id, command, actor, approval_id) as recorded:
                yield recorded, bus, flow_runs
        except NotFound:
            raise NotFound(f"tenant {tenant_id} has no approval {approval_id}") from None


def _user(stated: str) -> str:
    try:
        return user_id(stated)
    except NoIdentity as error:
        raise click.BadParameter(str(error), param_hint="--as") from None


def _form(text: str | None) -> dict[str, Any] | None:
    try:
        return read_json_object(text) if text else None
    except ValueError as error:
        raise click.BadParameter(f"is not a JSON object: {error}", param_hint="--form") from None
