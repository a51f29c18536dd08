"""`orchestrator executions list | missing | deletable | show | start | cancel | retry | rerun`"""

from datetime import datetime

import click

from blocks.observability.plain_text import plain
from deployments.cli.actor import as_option
from deployments.cli.arguments import Limited
from deployments.cli.over_http import answered
from deployments.cli.parameters import any_id, moment
from deployments.cli.parameters import uuid as uuid

STATUSES = [
    "pending",
    "running",
    "awaiting_approval",
    "waiting",
    "completed",
    "failed",
    "cancelled",
    "unreported",
]


tenant_option = click.option(
    "--tenant",
    type=uuid,
    required=True,
    envvar="ORCHESTRATOR_TENANT",
    show_envvar=True,
    help="Whose executions.",
)


@click.group()
def executions() -> None:
    """Read the records of executions; start, cancel, retry or rerun one.

    \b
    Examples:
      orchestrator executions list --tenant 7b7e5d1e-3d0c-4c57-9d5e-0d3f6d1f2a10
      orchestrator executions show 4e1c0d7a-… --tenant 7b7e5d1e-3d0c-4c57-9d5e-0d3f6d1f2a10
    """


@executions.command("list")
@tenant_option
@click.option("--workflow", help="Only of this workflow, e.g. opportunity-analysis.")
@click.option("--status", type=click.Choice(STATUSES), help="Only in this status.")
@click.option("--subject", type=any_id, help="Only about this subject, e.g. an opportunity id.")
@click.option("--since", type=moment, help="Only those created then or later (UTC).")
@click.option("--until", type=moment, help="Only those created before that (UTC).")
@click.option(
    "--limit", type=click.IntRange(1, 1000), default=20, show_default=True, help="At most so many."
)
@click.option(
    "--json", "as_json", is_flag=True, help="One JSON record per line, for other programs."
)
def list_executions(
    tenant: str,
    workflow: str | None,
    status: str | None,
    subject: str | None,
    since: datetime | None,
    until: datetime | None,
    limit: int,
    as_json: bool,
) -> None:
    """List a tenant's executions, newest first.

    \b
    Examples:
      orchestrator executions list --tenant 7b7e5d1e-3d0c-4c57-9d5e-0d3f6d1f2a10
      orchestrator executions list --status failed --since 2026-03-02 --limit 100
      orchestrator executions list --json | jq .error
    """
    from deployments.cli.remote import executions as remote
    from deployments.cli.views.executions import print_executions, query_executions

    found = answered(query_executions, remote.query_executions)(
        tenant,
        limit,
        workflow=workflow,
        status=status,
        subject=subject,
        since=since,
        until=until,
    )
    print_executions(found, as_json=as_json)


@executions.command("missing")
@click.option(
    "--since",
    type=moment,
    required=True,
    metavar="TIME",
    help="When the backup was taken from which the records are.",
)
@click.option(
    "--json", "as_json", is_flag=True, help="One JSON object per line, for other programs."
)
def missing_executions(since: datetime, as_json: bool) -> None:
    """List executions that Prefect has carried out since then and that have no record.

    After records were restored from a backup: what their publishers have to publish again. The name
    of a flow run has the subjects. None is left when all of them are back.

    \b
    Examples:
      orchestrator executions missing --since 2026-03-02T09:15:00Z
      orchestrator executions missing --since 2026-03-02T09:15:00Z --json | jq -r .tenantId | sort -u
    """
    import asyncio

    from deployments.cli.views.executions import print_missing, query_missing

    print_missing(asyncio.run(query_missing(since)), as_json=as_json)


@executions.command("deletable")
@click.option(
    "--kept-days",
    type=click.IntRange(1, 3650),
    required=True,
    metavar="DAYS",
    help="As EXECUTIONS_KEPT_DAYS would be set.",
)
@click.option(
    "--json", "as_json", is_flag=True, help="One JSON object per line, for other programs."
)
def deletable_executions(kept_days: int, as_json: bool) -> None:
    """Count what would be deleted if executions were kept for so many days; delete nothing.

    Counted are executions that have ended and began before then, by tenant and workflow: at most so
    many go. Those that ended later go later; those of batch jobs and claim recovery are kept.

    \b
    Examples:
      orchestrator executions deletable --kept-days 90
      orchestrator executions deletable --kept-days 90 --json | jq -s 'map(.executions) | add'
    """
    import asyncio

    from deployments.cli.views.executions import print_deletable, query_deletable

    print_deletable(asyncio.run(query_deletable(kept_days)), as_json=as_json)


@executions.command("show")
@click.argument("id", type=any_id)
@tenant_option
@click.option("--json", "as_json", is_flag=True, help="The record and its steps as JSON.")
def show_execution(id: str, tenant: str, as_json: bool) -> None:
    """Show one execution with its steps and results.

    \b
    Examples:
      orchestrator executions show 4e1c0d7a-… --tenant 7b7e5d1e-3d0c-4c57-9d5e-0d3f6d1f2a10
      orchestrator executions show 4e1c0d7a-… --json
    """
    from deployments.cli.remote import executions as remote
    from deployments.cli.views.executions import print_execution, read_execution

    execution = answered(read_execution, remote.read_execution)(tenant, id)
    print_execution(execution, as_json=as_json)


@executions.command("start")
@click.argument("subject", type=Limited("Subject"))
@tenant_option
@click.option(
    "--workflow",
    type=Limited("Workflow"),
    default="opportunity-analysis",
    show_default=True,
    help="What is to be done.",
)
@click.option(
    "--input",
    "input_json",
    default="{}",
    help='JSON object: what an event would carry, e.g. {"amount": 5}.',
)
@click.option(
    "--priority",
    type=click.IntRange(0, 9),
    default=0,
    help="Within the tenant, a higher one goes first.",
)
@click.option(
    "--key",
    type=Limited("RequestKey"),
    help="The same key starts the same execution, however often it is used.",
)
@as_option
def start_execution(
    subject: str,
    tenant: str,
    workflow: str,
    input_json: str,
    priority: int,
    key: str | None,
    actor: str,
) -> None:
    """Start an execution about SUBJECT, e.g. an opportunity id, without an event.

    \b
    Examples:
      orchestrator executions start 0061t00000AbCdE --tenant 7b7e5d1e-3d0c-4c57-9d5e-0d3f6d1f2a10
      orchestrator executions start 0061t00000AbCdE --input '{"amount": 1500000}' --key deal-4711
    """
    from deployments.cli.actions.executions import start
    from deployments.cli.remote import executions as remote

    execution = answered(start, remote.start)(
        tenant, workflow, subject, input_json, priority=priority, key=key, actor=actor
    )
    click.echo(
        plain(f"{execution.id} is {execution.status}: {execution.workflow} of {execution.subject}")
    )


@executions.command("cancel")
@click.argument("id", type=any_id)
@tenant_option
@click.option(
    "--reason",
    type=Limited("CancelReason"),
    default="cancelled by an operator",
    show_default=True,
    help="What its record will say.",
)
@as_option
def cancel_execution(id: str, tenant: str, reason: str, actor: str) -> None:
    """Cancel one execution; others in the same flow run go on.

    \b
    Examples:
      orchestrator executions cancel 4e1c0d7a-… --tenant 7b7e5d1e-3d0c-4c57-9d5e-0d3f6d1f2a10
      orchestrator executions cancel 4e1c0d7a-… --reason "the deal is lost"
    """
    from deployments.cli.actions.executions import cancel
    from deployments.cli.remote import executions as remote

    execution = answered(cancel, remote.cancel)(tenant, id, reason, actor)
    click.echo(plain(f"{execution.id} is {execution.status}: {execution.error}"))


@executions.command("retry")
@click.argument("id", type=any_id)
@tenant_option
@as_option
def retry_execution(id: str, tenant: str, actor: str) -> None:
    """Retry an execution that failed or was cancelled, or a journey that waits with a failed step,
    under the same id; steps that succeeded are kept.

    \b
    Examples:
      orchestrator executions retry 4e1c0d7a-… --tenant 7b7e5d1e-3d0c-4c57-9d5e-0d3f6d1f2a10
      orchestrator executions list --status failed --json | jq -r .id | xargs -n 1 orchestrator executions retry
    """
    from deployments.cli.actions.executions import retry
    from deployments.cli.remote import executions as remote

    execution = answered(retry, remote.retry)(tenant, id, actor)
    click.echo(plain(f"{execution.id} is {execution.status} again: retry {execution.retries}"))


@executions.command("rerun")
@click.argument("id", type=any_id)
@tenant_option
@as_option
def rerun_execution(id: str, tenant: str, actor: str) -> None:
    """Rerun an execution that has ended, as a new one with the same subject and input.

    While the new one is open, another rerun returns it.

    \b
    Examples:
      orchestrator executions rerun 4e1c0d7a-… --tenant 7b7e5d1e-3d0c-4c57-9d5e-0d3f6d1f2a10
    """
    from deployments.cli.actions.executions import rerun
    from deployments.cli.remote import executions as remote

    execution = answered(rerun, remote.rerun)(tenant, id, actor)
    click.echo(
        plain(
            f"{execution.id} is {execution.status}: "
            f"{execution.workflow} of {execution.subject}, again"
        )
    )
