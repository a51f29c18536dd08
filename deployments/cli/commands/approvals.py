"""`orchestrator approvals list | show | approve | reject | ask | answer`"""

import click

from blocks.observability.plain_text import plain
from deployments.cli.actor import as_option as answering_option
from deployments.cli.arguments import Limited
from deployments.cli.commands.executions import tenant_option
from deployments.cli.over_http import access, answered
from deployments.cli.parameters import any_id

STATUSES = ["pending", "approved", "rejected", "expired", "cancelled"]


def _named(context: click.Context, option: click.Parameter, value: str | None) -> str:
    if not value and not access():
        raise click.MissingParameter(ctx=context, param=option)
    return value or ""


as_option = click.option(
    "--as",
    "actor",
    type=Limited("Actor"),
    envvar="ORCHESTRATOR_USER",
    show_envvar=True,
    callback=_named,
    help="Who decides.  [required; with --api, the key's own name unless it may act for users]",
)
role_option = click.option(
    "--role",
    "roles",
    multiple=True,
    help="A role of theirs; can be repeated. With --api, only beside --as.",
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
    from deployments.cli.remote import approvals as remote
    from deployments.cli.views.approvals import print_approvals, query_approvals

    found = answered(query_approvals, remote.query_approvals)(tenant, status, limit)
    print_approvals(found, as_json=as_json)


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
    from deployments.cli.remote import approvals as remote
    from deployments.cli.views.approvals import print_approval, read_approval

    print_approval(*answered(read_approval, remote.read_approval)(tenant, id), as_json=as_json)


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
    from deployments.cli.actions.approvals import ask_back
    from deployments.cli.remote import approvals as remote

    approval = answered(ask_back, remote.ask_back)(tenant, id, actor, roles, text)
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
    from deployments.cli.actions import approvals as actions
    from deployments.cli.remote import approvals as remote

    approval = answered(actions.answer, remote.answer)(tenant, id, actor, text)
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
    from deployments.cli.actions.approvals import decide
    from deployments.cli.remote import approvals as remote

    approval = answered(decide, remote.decide)(tenant, id, actor, roles, outcome, reason, form)
    votes = sum(one.stage == approval.stage for one in approval.decisions)
    needed = f"{votes} of {approval.policy.quorum} needed"
    stage = f", stage {approval.stage}" if approval.stage else ""
    click.echo(plain(f"{approval.id} is {approval.status} ({needed}{stage})"))
