"""`orchestrator workflows list | trigger | status | history`"""

import click

from deployments.cli.actor import as_option
from deployments.cli.arguments import Finite, Limited
from deployments.cli.over_http import answered


@click.group()
def workflows() -> None:
    """See and start operations, the platform's maintenance workflows.

    \b
    Examples:
      orchestrator workflows list
      orchestrator workflows trigger log-rotation
      orchestrator workflows history --limit 20
    """


json_option = click.option("--json", "as_json", is_flag=True, help="One JSON object per line.")
limit_option = click.option("--limit", type=click.IntRange(1, 1000), default=10, show_default=True)


@workflows.command("list")
@json_option
def list_workflows(as_json: bool) -> None:
    """List them with their schedules, events and last runs.

    \b
    Examples:
      orchestrator workflows list
      orchestrator workflows list --json | jq .events
    """
    from deployments.cli.remote import operations as remote
    from deployments.cli.views.operations import print_workflows, query_workflows

    print_workflows(answered(query_workflows, remote.query_workflows)(), as_json=as_json)


@workflows.command("trigger")
@click.argument("workflow")
@click.option("--input", "text", default="{}", metavar="JSON", help="What its steps are given.")
@click.option(
    "--request-id",
    type=Limited("RequestKey"),
    metavar="ID",
    help="Names this request: repeated under the same id, it starts once.",
)
@click.option("--follow", is_flag=True, help="Show its progress; exit with 1 unless it completes.")
@click.option(
    "--timeout",
    type=Finite(1, 86_400),
    default=3_600.0,
    show_default=True,
    help="Seconds for which it is followed.",
)
@as_option
def trigger(
    workflow: str, text: str, request_id: str | None, follow: bool, timeout: float, actor: str
) -> None:
    """Start WORKFLOW once, regardless of its schedule; print the id of the run.

    \b
    Examples:
      orchestrator workflows trigger log-rotation
      orchestrator workflows trigger log-rotation --request-id before-the-release
      orchestrator workflows trigger database-backup --follow
    """
    from blocks.contracts.ids import SYSTEM_TENANT
    from deployments.cli.actions.operations import follow_run, trigger_workflow
    from deployments.cli.remote import operations as remote
    from deployments.printing import say_line

    ask = answered(trigger_workflow, remote.trigger_workflow)
    run = ask(workflow, text, request_id, actor)
    say_line(run.run_id)
    say_line(f"orchestrator executions show {run.execution_id} --tenant {SYSTEM_TENANT}")
    if follow:
        answered(follow_run, remote.follow_run)(run, timeout)


@workflows.command("status")
@click.argument("workflow")
@limit_option
@json_option
def status(workflow: str, limit: int, as_json: bool) -> None:
    """Show the newest runs of WORKFLOW, with the step at work.

    \b
    Examples:
      orchestrator workflows status log-rotation
    """
    from deployments.cli.remote import operations as remote
    from deployments.cli.views.operations import print_runs, query_runs

    print_runs(answered(query_runs, remote.query_runs)(workflow, limit), as_json=as_json)


@workflows.command("history")
@limit_option
@json_option
def history(limit: int, as_json: bool) -> None:
    """List the newest runs of all of them.

    \b
    Examples:
      orchestrator workflows history --limit 50
      orchestrator workflows history --json | jq 'select(.status == "failed")'
    """
    from deployments.cli.remote import operations as remote
    from deployments.cli.views.operations import print_runs, query_runs

    print_runs(answered(query_runs, remote.query_runs)(None, limit), as_json=as_json)
