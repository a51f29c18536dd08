"""`orchestrator jobs list | trigger | backfill`"""

import click

from deployments.cli.actor import as_option
from deployments.cli.arguments import Limited
from deployments.cli.over_http import answered

request_id_option = click.option(
    "--request-id",
    type=Limited("RequestKey"),
    metavar="ID",
    help="Names this request: repeated under the same id, it triggers once.",
)


@click.group()
def jobs() -> None:
    """See and trigger the batch jobs.

    \b
    Examples:
      orchestrator jobs list
      orchestrator jobs trigger outcome-sync
      orchestrator jobs backfill risk-snapshot-backfill --from 2026-01-01 --to 2026-06-30 --dry-run
    """


@jobs.command("list")
@click.option(
    "--json", "as_json", is_flag=True, help="One JSON object per line, for other programs."
)
def list_jobs(as_json: bool) -> None:
    """List the jobs with their next and last runs.

    Next runs are those of the settings; Prefect's UI shows schedules that were paused or changed
    there.

    \b
    Examples:
      orchestrator jobs list
      orchestrator jobs list --json | jq .lastRun
    """
    from deployments.cli.remote import jobs as remote
    from deployments.cli.views.jobs import print_jobs, query_jobs

    print_jobs(answered(query_jobs, remote.query_jobs)(), as_json=as_json)


@jobs.command("trigger")
@click.argument("job")
@click.option("--from", "first", metavar="DATE", help="First day, YYYY-MM-DD.")
@click.option("--to", "last", metavar="DATE", help="Last day, YYYY-MM-DD.")
@click.option(
    "--tenant",
    "tenants",
    multiple=True,
    metavar="UUID",
    help="Only for this tenant; may be repeated.",
)
@click.option(
    "--industry",
    "industries",
    multiple=True,
    metavar="ID",
    help="Only this industry; may be repeated.",
)
@click.option("--period", metavar="TEXT", help="The period of benchmarks.")
@click.option(
    "--outcomes-days",
    type=click.IntRange(1, 3650),
    metavar="DAYS",
    help="How many days of outcomes to learn from.",
)
@request_id_option
@as_option
def trigger(
    job: str,
    first: str | None,
    last: str | None,
    tenants: tuple[str, ...],
    industries: tuple[str, ...],
    period: str | None,
    outcomes_days: int | None,
    request_id: str | None,
    actor: str,
) -> None:
    """Trigger JOB now, once, regardless of its schedule.

    Each job takes its own options; the others are refused. `orchestrator executions show` follows
    the run.

    \b
    Examples:
      orchestrator jobs trigger outcome-sync
      orchestrator jobs trigger risk-snapshot-backfill --from 2026-01-01 --to 2026-01-07
      orchestrator jobs trigger model-monitoring --tenant 7b7e5d1e-3d0c-4c57-9d5e-0d3f6d1f2a10
      orchestrator jobs trigger cais-learning --outcomes-days 90
    """
    from blocks.contracts.ids import SYSTEM_TENANT
    from deployments.cli.actions.jobs import trigger_one
    from deployments.cli.remote import jobs as remote
    from deployments.printing import say_line

    given = {
        "from": first,
        "to": last,
        "tenantIds": list(tenants) or None,
        "industryIds": list(industries) or None,
        "period": period,
        "outcomesDays": outcomes_days,
    }
    metadata = {name: value for name, value in given.items() if value is not None}
    ask = answered(trigger_one, remote.trigger_one)
    triggered = ask(job, metadata, request_id, actor)
    say_line(f"triggered {triggered.job}: event {triggered.event_id}")
    say_line(f"orchestrator executions show {triggered.execution_id} --tenant {SYSTEM_TENANT}")


@jobs.command("backfill")
@click.argument("job")
@click.option("--from", "first", required=True, metavar="DATE", help="First day, YYYY-MM-DD.")
@click.option("--to", "last", required=True, metavar="DATE", help="Last day, YYYY-MM-DD.")
@click.option(
    "--chunk", default="7d", show_default=True, metavar="DAYS", help="Days in one trigger, e.g. 7d."
)
@click.option(
    "--rate",
    default="1/min",
    show_default=True,
    metavar="RATE",
    help="At most so fast: 1/min, 10/h, none.",
)
@click.option("--dry-run", is_flag=True, help="Show the triggers and send none.")
@request_id_option
@as_option
def backfill(
    job: str,
    first: str,
    last: str,
    chunk: str,
    rate: str,
    dry_run: bool,
    request_id: str | None,
    actor: str,
) -> None:
    """Trigger JOB for a range of days, piece by piece.

    An interrupted backfill goes on where it stopped when it is repeated with the request id it
    printed.

    \b
    Examples:
      orchestrator jobs backfill risk-snapshot-backfill --from 2026-01-01 --to 2026-06-30 --dry-run
      orchestrator jobs backfill risk-snapshot-backfill --from 2026-01-01 --to 2026-06-30 --chunk 7d --rate 1/min
      orchestrator jobs backfill risk-snapshot-backfill --from 2026-01-01 --to 2026-01-31 --chunk 1d --rate none
    """
    from deployments.cli.actions.job_backfill import plan_backfill, run_backfill
    from deployments.cli.remote import jobs as remote

    paced = plan_backfill(
        job, first=first, last=last, chunk=chunk, rate=rate, request_id=request_id
    )
    answered(run_backfill, remote.run_backfill)(paced, dry_run=dry_run, actor=actor)
