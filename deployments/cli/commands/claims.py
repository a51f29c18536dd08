"""`orchestrator claims list | show | log | settle-fee`"""

import click

from deployments.cli.actor import as_option
from deployments.cli.commands.executions import STATUSES, tenant_option

sync_argument = click.argument("sync")
user_option = click.option(
    "--user", help="Whose sync it is; without it, the newest of any user under this id."
)
json_option = click.option(
    "--json", "as_json", is_flag=True, help="JSON instead of a table, for other programs."
)


@click.group()
def claims() -> None:
    """See journeys of claim recovery: their phases, claims, money and log; settle a fee that differs.

    `orchestrator executions retry` and `cancel` take the id that `show` prints.

    \b
    Examples:
      orchestrator claims list --tenant 7b7e5d1e-3d0c-4c57-9d5e-0d3f6d1f2a10
      orchestrator claims show job_7 --tenant 7b7e5d1e-3d0c-4c57-9d5e-0d3f6d1f2a10
    """


@claims.command("list")
@tenant_option
@click.option("--user", help="Only of this user.")
@click.option("--status", type=click.Choice(STATUSES), help="Only in this status.")
@click.option(
    "--limit", type=click.IntRange(1, 1000), default=20, show_default=True, help="At most so many."
)
@json_option
def list_journeys(
    tenant: str, user: str | None, status: str | None, limit: int, as_json: bool
) -> None:
    """List a tenant's journeys, newest first.

    \b
    Examples:
      orchestrator claims list --status waiting
      orchestrator claims list --user user_123 --json | jq .status
    """
    import asyncio

    from deployments.cli.views.claims import print_journeys

    asyncio.run(print_journeys(tenant, user, status, limit, as_json=as_json))


@claims.command("show")
@sync_argument
@tenant_option
@user_option
@json_option
def show_journey(sync: str, tenant: str, user: str | None, as_json: bool) -> None:
    """Show the journey of SYNC: each phase, each claim, what was paid.

    \b
    Examples:
      orchestrator claims show job_7
      orchestrator claims show claim_4711 --user user_123 --json
    """
    import asyncio

    from deployments.cli.views.claims import print_journey

    asyncio.run(print_journey(tenant, sync, user, as_json=as_json))


@claims.command("log")
@sync_argument
@tenant_option
@user_option
@json_option
def show_log(sync: str, tenant: str, user: str | None, as_json: bool) -> None:
    """Show what happened to each phase of SYNC, oldest first.

    \b
    Examples:
      orchestrator claims log job_7
      orchestrator claims log job_7 --json | jq 'select(.mark == "failed")'
    """
    import asyncio

    from deployments.cli.views.claims import print_log

    asyncio.run(print_log(tenant, sync, user, as_json=as_json))


@claims.command("settle-fee")
@click.argument("claim")
@tenant_option
@click.option("--user", required=True, help="Whose claim it is.")
@click.option("--charge", help="The fee of the ledger is charged, by this charge of the service.")
@click.option(
    "--ask-again", is_flag=True, help="Nothing was charged: the service is asked once more."
)
@as_option
def settle_fee(
    claim: str, tenant: str, user: str, charge: str | None, ask_again: bool, actor: str
) -> None:
    """Decide about the fee of CLAIM, whose charge is not what the ledger has (`mismatched`).

    Read the payment service's books first. Phase 7 is then done once more; it never charges under
    another key.

    \b
    Examples:
      orchestrator claims settle-fee 4711 --user user_123 --charge ch_3OqT7vK2
      orchestrator claims settle-fee 4711 --user user_123 --ask-again
    """
    import asyncio

    from deployments.cli.actions.fees import settle
    from deployments.printing import say_line

    charge = charge and charge.strip()
    if bool(charge) == ask_again:
        raise click.UsageError("Either --charge with its id, or --ask-again.")
    fee = asyncio.run(settle(tenant, user, claim, charge, actor))
    say_line(f"the fee of claim {claim} is {fee.status}; phase 7 goes on")
