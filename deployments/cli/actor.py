"""The option that names the user on whose behalf a command changes something."""

import click

from deployments.cli.arguments import Limited
from deployments.cli.over_http import access


def _named(_: click.Context, __: click.Parameter, value: str | None) -> str:
    from deployments.cli.acts import terminal_user

    return value or ("" if access() else terminal_user())


as_option = click.option(
    "--as",
    "actor",
    type=Limited("Actor"),
    envvar="ORCHESTRATOR_USER",
    show_envvar=True,
    callback=_named,
    help="Who does it, for the record; with --api, a user for whom the key may act.  "
    "[default: cli: and the user of this terminal; with --api, the key's own name]",
)
