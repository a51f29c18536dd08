"""`orchestrator events list | publish`"""

import click

from deployments.cli.over_http import answered


@click.group()
def events() -> None:
    """See and publish the events that start operations.

    \b
    Examples:
      orchestrator events list
      orchestrator events publish deployment.completed --payload '{"version": "1.4.0"}'
    """


@events.command("list")
@click.option("--type", "event_type", metavar="TYPE", help="Only events of this type.")
@click.option("--limit", type=click.IntRange(1, 1000), default=50, show_default=True)
@click.option("--json", "as_json", is_flag=True, help="One JSON object per line.")
def list_events(event_type: str | None, limit: int, as_json: bool) -> None:
    """List the newest events of the log.

    \b
    Examples:
      orchestrator events list --type cms.content.updated
      orchestrator events list --json | jq .payload
    """
    from deployments.cli.remote import operations as remote
    from deployments.cli.views.operations import print_events, query_events

    print_events(answered(query_events, remote.query_events)(event_type, limit), as_json=as_json)


@events.command("publish")
@click.argument("type")
@click.option("--payload", default="{}", metavar="JSON", help="What it states.  [default: {}]")
@click.option("--id", "event_id", metavar="ID", help="Repeated under the same id, it counts once.")
def publish_event(type: str, payload: str, event_id: str | None) -> None:
    """Publish an event of TYPE; print its id.

    \b
    Examples:
      orchestrator events publish cache.invalidated
      orchestrator events publish user.registered --payload '{"email": "ann@customer.example"}'
    """
    from deployments.cli.actions.operations import publish
    from deployments.cli.remote import operations as remote
    from deployments.printing import say_line

    say_line(answered(publish, remote.publish)(type, payload, event_id))
