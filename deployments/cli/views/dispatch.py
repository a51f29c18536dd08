"""The dispatch policy for a person at a terminal, and what waits and runs under it."""

from collections.abc import Mapping
from typing import Any

from msgspec.structs import replace

from blocks.contracts.ids import SYSTEM_TENANT
from blocks.contracts.records import DispatchPolicy, ExecutionRecord, TenantShare
from blocks.ports import RecordStore
from blocks.queries import tenants
from blocks.services import open_bus, open_store
from blocks.settings import load_settings
from blocks.tenants.dispatch_policy import change_policy, read_policy, with_share
from deployments.cli.acts import audited
from deployments.printing import PlainTable, console, say_lines

OF_ALL = {"total_running_max": "running_max", "batch_max": "batch_max"}
"""Options that are the policy's own, and the fields they set."""


async def change(tenant: str | None, given: Mapping[str, Any], actor: str) -> None:
    """The options that were given are in force, for this tenant or for the default."""
    of_all = {OF_ALL[name]: value for name, value in given.items() if name in OF_ALL}
    of_share = {name: value for name, value in given.items() if name not in OF_ALL}

    def changed(policy: DispatchPolicy) -> DispatchPolicy:
        policy = replace(policy, **of_all)
        if not of_share:
            return policy
        before = policy.share_of(tenant) if tenant else policy.default
        return with_share(policy, tenant or "default", replace(before, **of_share))

    settings = load_settings()
    async with (
        open_store(settings) as opened,
        open_bus(settings, "cli") as bus,
        audited(opened, SYSTEM_TENANT, "dispatch set", actor, tenant) as store,
    ):
        await change_policy(store, bus, changed)


async def reset_share(tenant: str, actor: str) -> None:
    settings = load_settings()
    async with (
        open_store(settings) as opened,
        open_bus(settings, "cli") as bus,
        audited(opened, SYSTEM_TENANT, "dispatch reset", actor, tenant) as store,
    ):
        await change_policy(store, bus, lambda policy: with_share(policy, tenant, None))


async def print_policy() -> None:
    async with open_store(load_settings()) as store:
        policy = await read_policy(store)
        known = sorted({*policy.tenants, *await tenants(store)})
        counts = {tenant: await _counts(store, tenant) for tenant in known}
    table = PlainTable(box=None, pad_edge=False, header_style="bold")
    for heading in ("TENANT", "WEIGHT", "PRIORITY", "RUNNING MAX", "PENDING", "RUNNING"):
        table.add_column(
            heading, justify="left" if heading == "TENANT" else "right", no_wrap=heading == "TENANT"
        )
    table.add_row("default", *_cells(policy.default), "", "")
    for tenant in known:
        own = policy.tenants.get(tenant)
        table.add_row(tenant, *(_cells(own) if own else ("·", "·", "·")), *map(str, counts[tenant]))
    console().print(table)
    say_lines(f"\nof all tenants: running at most {_limit(policy.running_max)}")
    say_lines(
        f"in one flow run: at most {policy.batch_max or load_settings().dispatch.batch_max} "
        "executions"
    )


async def _counts(store: RecordStore, tenant: str) -> tuple[int, int]:
    pending = await store.count(tenant, ExecutionRecord, {"status": "pending"})
    return pending, await store.count(tenant, ExecutionRecord, {"status": "running"})


def _cells(share: TenantShare) -> tuple[str, str, str]:
    return f"{share.weight:g}", str(share.priority), _limit(share.running_max)


def _limit(limit: int | None) -> str:
    return "no limit" if limit is None else str(limit)
