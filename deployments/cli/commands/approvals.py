"""`orchestrator approvals list | show | approve | reject | ask | answer`"""

import click

from blocks.observability.plain_text import plain
from deployments.cli.actor import as_option as answering_option
from deployments.cli.arguments import Limited
from deployments.cli.commands.executions import tenant_option
from deployments.cli.parameters import any_id

STATUSES = ["pending", "approved", "rejected", "expired", "cancelled"]

as_option = click.option(
    "--as",
    "actor",
    type=Limited("Actor"),
    required=True,
    envvar="ORCHESTRATOR_USER",
    show_envvar=True,
    help="Who decides.",
)
role_option = click.option(
    "--role", "roles", multiple=True, help="A role of theirs; can be repeated."
)


@click.group()
def approvals() -> None:
    """See what waits for a person, and decide it.

    \b
    Examples:
      orchestrator approvals list --tenant 7b7e5d1e-3d0c-4c57-9d5e-0d3f6d1f2a10
      orchestrator approvals approve 4e1c0d7a-… --as ann --reason "checked with legal"
    """


@approvals.command("list")
@tenant_option
@click.option(
    "--status", type=click.Choice([*STATUSES, "all"]), default="pending", show_default=True
)
@click.option(
    "--limit", type=click.IntRange(1, 1000), default=20, show_default=True, help="At most so many."
)
@click.option(
    "--json", "as_json", is_flag=True, help="One JSON record per line, for other programs."
)
def list_approvals(tenant: str, status: str, limit: int, as_json: bool) -> None:
    """List a tenant's approvals, newest first.

    \b
    Examples:
      orchestrator approvals list --tenant 7b7e5d1e-3d0c-4c57-9d5e-0d3f6d1f2a10
      orchestrator approvals list --status all --json
    """
    import asyncio

    from deployments.cli.views.approvals import print_approvals, query_approvals

    print_approvals(asyncio.run(query_approvals(tenant, status, limit)), as_json=as_json)


@approvals.command("show")
@click.argument("id", type=any_id)
@tenant_option
@click.option("--json", "as_json", is_flag=True, help="The record as JSON.")
def show_approval(id: str, tenant: str, as_json: bool) -> None:
    """Show one approval: what is asked, of whom, and what has happened to it.

    \b
    Examples:
      orchestrator approvals show 4e1c0d7a-…
    """
    import asyncio

    from deployments.cli.views.approvals import print_approval, read_approval

    print_approval(asyncio.run(read_approval(tenant, id)), as_json=as_json)


@approvals.command("approve")
@click.argument("id", type=any_id)
@tenant_option
@as_option
@role_option
@click.option("--reason", type=Limited("Comment"), help="What its record will say.")
@click.option("--form", help="The form that goes with it, as JSON.")
def approve(
    id: str, tenant: str, actor: str, roles: tuple[str, ...], reason: str | None, form: str | None
) -> None:
    """Approve, once and on the record.

    \b
    Examples:
      orchestrator approvals approve 4e1c0d7a-… --as ann
      orchestrator approvals approve 4e1c0d7a-… --as ann --role vp --form '{"limit": 7}'
    """
    _decide(tenant, id, actor, roles, "approved", reason, form)


@approvals.command("reject")
@click.argument("id", type=any_id)
@tenant_option
@as_option
@role_option
@click.option(
    "--reason", type=Limited("Comment"), help="What its record will say; most approvals need one."
)
@click.option("--form", help="The form that goes with it, as JSON.")
def reject(
    id: str, tenant: str, actor: str, roles: tuple[str, ...], reason: str | None, form: str | None
) -> None:
    """Reject, once and on the record.

    \b
    Examples:
      orchestrator approvals reject 4e1c0d7a-… --as ann --reason "too risky"
    """
    _decide(tenant, id, actor, roles, "rejected", reason, form)


text_option = click.option("--text", type=Limited("Words"), required=True, help="In words.")


@approvals.command("ask")
@click.argument("id", type=any_id)
@tenant_option
@as_option
@role_option
@text_option
def ask(id: str, tenant: str, actor: str, roles: tuple[str, ...], text: str) -> None:
    """Send it back with a question; it stays pending, and its time goes on.

    \b
    Examples:
      orchestrator approvals ask 4e1c0d7a-… --as ann --text "Why 20 %?"
    """
    import asyncio

    from deployments.cli.actions.approvals import ask_back

    approval = asyncio.run(ask_back(tenant, id, actor, roles, text))
    click.echo(plain(f"{approval.id} is {approval.status}: {approval.requested_by} is asked"))


@approvals.command("answer")
@click.argument("id", type=any_id)
@tenant_option
@answering_option
@text_option
def answer(id: str, tenant: str, actor: str, text: str) -> None:
    """Answer the question of an approver.

    \b
    Examples:
      orchestrator approvals answer 4e1c0d7a-… --as req --text "They buy for three years."
    """
    import asyncio

    from deployments.cli.actions.approvals import answer

    approval = asyncio.run(answer(tenant, id, actor, text))
    click.echo(plain(f"{approval.id} is {approval.status}: the question is answered"))


def _decide(
    tenant: str,
    id: str,
    actor: str,
    roles: tuple[str, ...],
    outcome: str,
    reason: str | None,
    form: str | None,
) -> None:
    import asyncio

    from blocks.approvals.decisions import of_stage
    from deployments.cli.actions.approvals import decide

    approval = asyncio.run(decide(tenant, id, actor, roles, outcome, reason, form))
    needed = f"{len(of_stage(approval))} of {approval.policy.quorum} needed"
    stage = f", stage {approval.stage}" if approval.stage else ""
    click.echo(plain(f"{approval.id} is {approval.status} ({needed}{stage})"))
