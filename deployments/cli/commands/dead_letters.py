"""`orchestrator dead-letters list | show | edit | replay | discard`"""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import click

from blocks.observability.plain_text import plain
from deployments.cli.actor import as_option
from deployments.cli.arguments import Finite, Limited
from deployments.cli.over_http import answered
from deployments.cli.parameters import any_id, uuid

if TYPE_CHECKING:
    from deployments.cli.views.dead_letters import Wanted

STATUSES = ["waiting", "replaying", "replayed", "discarded"]

tenant_option = click.option(
    "--tenant",
    type=uuid,
    help=(
        "Only of this tenant; the platform's own are under "
        "00000000-0000-0000-0000-000000000001.  [default: all; with --api, the key's]"
    ),
)
yes_option = click.option("--yes", is_flag=True, help="Do not ask.")
all_option = click.option(
    "--all", "every", is_flag=True, help="All that wait and match the filters."
)


def filters(command: Callable[..., None]) -> Callable[..., None]:
    """Which letters: the same options wherever many are meant."""
    for option in (
        click.option(
            "--older-than",
            metavar="TIME",
            help="Only those refused first so long ago: 90s, 15m, 2h, 3d.",
        ),
        click.option("--queue", metavar="NAME", help="Only those of this queue."),
        click.option("--type", "event_type", metavar="TYPE", help="Only events of this type."),
        click.option(
            "--code",
            metavar="CODE",
            help="Only those refused for this reason, e.g. schema-invalid.",
        ),
        tenant_option,
    ):
        command = option(command)
    return command


def wanted(given: dict[str, Any], *, status: str | None) -> "Wanted":
    """Raises `BadParameter` for an age that is none."""
    from deployments.cli.views.dead_letters import BadAge, Wanted, refused_before

    try:
        before = refused_before(given["older_than"])
    except BadAge as error:
        raise click.BadParameter(str(error), param_hint="--older-than") from None
    named = {name: given[name] for name in ("code", "event_type", "queue")}
    return Wanted.of(given["tenant"], status=status, refused_before=before, **named)


@click.group("dead-letters")
def dead_letters() -> None:
    """List messages that were refused; edit, replay or discard them.

    \b
    Examples:
      orchestrator dead-letters list --code schema-invalid
      orchestrator dead-letters show 5b0f6a5e-…
      orchestrator dead-letters replay --all --code unknown-execution --rate 20
    """


@dead_letters.command("list")
@filters
@click.option(
    "--status", type=click.Choice([*STATUSES, "all"]), default="waiting", show_default=True
)
@click.option(
    "--limit", type=click.IntRange(1, 1000), default=20, show_default=True, help="At most so many."
)
@click.option(
    "--json", "as_json", is_flag=True, help="One JSON object per line, for other programs."
)
def list_letters(status: str, limit: int, as_json: bool, **given: Any) -> None:
    """List dead letters, newest first, without their bodies.

    \b
    Examples:
      orchestrator dead-letters list
      orchestrator dead-letters list --tenant 7b7e5d1e-3d0c-4c57-9d5e-0d3f6d1f2a10 --code poison
      orchestrator dead-letters list --status all --older-than 2h --json | jq .reason
    """
    from deployments.cli.remote import dead_letters as remote
    from deployments.cli.views.dead_letters import print_letters, query_letters

    meant = wanted(given, status=None if status == "all" else status)
    found = answered(query_letters, remote.query_letters)(meant, limit)
    print_letters(found, as_json=as_json)


@dead_letters.command("show")
@click.argument("id", type=any_id)
@tenant_option
@click.option("--body", "body_only", is_flag=True, help="Nothing but the body, byte by byte.")
@click.option("--json", "as_json", is_flag=True, help="The letter and its body as JSON.")
def show(id: str, tenant: str | None, body_only: bool, as_json: bool) -> None:
    """Show one dead letter with its body, why it was refused, and its history.

    \b
    Examples:
      orchestrator dead-letters show 5b0f6a5e-…
      orchestrator dead-letters show 5b0f6a5e-… --body | jq .
    """
    from deployments.cli.remote import dead_letters as remote
    from deployments.cli.views.dead_letters import print_letter, read_letter

    letter = answered(read_letter, remote.read_letter)(tenant, id)
    print_letter(letter, body_only=body_only, as_json=as_json)


@dead_letters.command("edit")
@click.argument("id", type=any_id)
@tenant_option
@click.option(
    "--file",
    "file",
    type=click.File("rb"),
    help="The event as JSON; - is standard input.  [default: $EDITOR]",
)
@as_option
def edit(id: str, tenant: str | None, file: Any, actor: str) -> None:
    """Give a dead letter another event; replay it next.

    The event must be one that would be accepted, and of the same tenant. An edit of a
    letter that has changed meanwhile is refused.

    \b
    Examples:
      orchestrator dead-letters edit 5b0f6a5e-…
      orchestrator dead-letters edit 5b0f6a5e-… --file fixed.json
    """
    from deployments.cli.actions.dead_letters import edit_letter
    from deployments.cli.remote import dead_letters as remote

    event = file.read() if file else None
    edited = answered(edit_letter, remote.edit_letter)(tenant, id, event, actor)
    click.echo(plain(f"{edited} is edited" if edited else "nothing was changed"))


@dead_letters.command("replay")
@click.argument("ids", nargs=-1, type=any_id)
@filters
@all_option
@click.option(
    "--rate",
    type=Finite(0, 10_000, min_open=True),
    default=10.0,
    show_default=True,
    help="At most so many messages a second.",
)
@yes_option
@as_option
@click.option(
    "--json", "as_json", is_flag=True, help="One JSON object per letter, for other programs."
)
def replay(
    ids: tuple[str, ...],
    every: bool,
    rate: float,
    yes: bool,
    actor: str,
    as_json: bool,
    **given: Any,
) -> None:
    """Put dead letters back into their queues: those named by IDS, or with --all, all that match.

    A message that was handled meanwhile does nothing twice. What was stopped can be repeated.

    \b
    Examples:
      orchestrator dead-letters replay 5b0f6a5e-…
      orchestrator dead-letters replay --all --code unknown-execution --older-than 1h --rate 20
      orchestrator dead-letters replay --all --tenant 7b7e5d1e-3d0c-4c57-9d5e-0d3f6d1f2a10 --yes --json
    """
    from deployments.cli.actions.dead_letters import Action, act_on_many
    from deployments.cli.remote import dead_letters as remote

    meant, action = _meant(ids, every, given), Action("replay", actor)
    failed = answered(act_on_many, remote.act_on_many)(
        meant, ids, action, rate=rate, sure=yes or not every, as_json=as_json
    )
    if failed:
        raise click.ClickException(f"{failed} could not be replayed")


@dead_letters.command("discard")
@click.argument("ids", nargs=-1, type=any_id)
@filters
@all_option
@click.option(
    "--reason",
    type=Limited("DiscardReason"),
    required=True,
    help="Why nothing is done about them; kept with each.",
)
@yes_option
@as_option
@click.option(
    "--json", "as_json", is_flag=True, help="One JSON object per letter, for other programs."
)
def discard(
    ids: tuple[str, ...],
    every: bool,
    reason: str,
    yes: bool,
    actor: str,
    as_json: bool,
    **given: Any,
) -> None:
    """Settle dead letters without a replay: those named by IDS, or with --all, all that match.

    They are kept for a while, then deleted; `replay` with their id undoes a discard.

    \b
    Examples:
      orchestrator dead-letters discard 5b0f6a5e-… --reason "a test of theirs"
      orchestrator dead-letters discard --all --code malformed-json --older-than 3d --reason "known bug" --yes
    """
    from deployments.cli.actions.dead_letters import Action, act_on_many
    from deployments.cli.remote import dead_letters as remote

    meant, action = _meant(ids, every, given), Action("discard", actor, reason.strip())
    failed = answered(act_on_many, remote.act_on_many)(
        meant, ids, action, rate=None, sure=yes or not every, as_json=as_json
    )
    if failed:
        raise click.ClickException(f"{failed} could not be discarded")


def _meant(ids: tuple[str, ...], every: bool, given: dict[str, Any]) -> "Wanted":
    if bool(ids) == every:
        raise click.UsageError("Name letters by their ids, or all that match with --all.")
    if ids and any(given[name] for name in ("code", "event_type", "queue", "older_than")):
        raise click.UsageError("Filters go with --all.")
    return wanted(given, status="waiting")
