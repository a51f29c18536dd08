"""The command `orchestrator`. Only click is imported before a command runs, so that help comes at
once.
"""

import io
import logging
import os
import sys
from pathlib import Path
from typing import Any, NoReturn

import click

from deployments.cli.commands.approvals import approvals
from deployments.cli.commands.audit import audit
from deployments.cli.commands.claims import claims
from deployments.cli.commands.dead_letters import dead_letters
from deployments.cli.commands.definitions import definitions
from deployments.cli.commands.dispatch import dispatch
from deployments.cli.commands.executions import executions
from deployments.cli.commands.jobs import jobs
from deployments.cli.commands.keys import keys
from deployments.cli.commands.operations import ops
from deployments.cli.commands.platform_events import events
from deployments.cli.commands.stand_ins import stand_ins
from deployments.cli.commands.webhooks import webhooks
from deployments.cli.commands.workflows import workflows
from deployments.cli.over_http import access_of, access_options, refuse_elsewhere
from deployments.cli.system.bootstrap import bootstrap
from deployments.cli.system.demo import demo
from deployments.cli.system.doctor import doctor
from deployments.cli.system.emit import emit
from deployments.cli.system.information import schemas, settings, version
from deployments.cli.system.login_link import login_link
from deployments.cli.system.migrate import migrate
from deployments.cli.system.openapi import openapi
from deployments.cli.system.processes import api, listener, simulators, worker
from deployments.cli.system.republish import republish
from deployments.cli.system.up import up

COMMANDS = (
    up,
    demo,
    doctor,
    emit,
    executions,
    claims,
    approvals,
    stand_ins,
    definitions,
    jobs,
    workflows,
    events,
    ops,
    dispatch,
    webhooks,
    keys,
    login_link,
    dead_letters,
    audit,
    bootstrap,
    republish,
    migrate,
    api,
    listener,
    worker,
    simulators,
    schemas,
    openapi,
    settings,
    version,
)


class InOrder(click.Group):
    """Lists commands in the order a newcomer needs them, not alphabetically."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(self.commands)


@click.group(
    cls=InOrder, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110}
)
@access_options
@click.option("--traceback", is_flag=True, help="Show where in the code an error came from.")
@click.pass_context
def cli(
    context: click.Context,
    api: str | None,
    key: str | None,
    key_file: Path | None,
    key_tenant: str | None,
    traceback: bool,
) -> None:
    """Multi-tenant workflows on Prefect: events in, recorded executions out.

    Configuration comes from the environment; `orchestrator settings` shows it. With --api, what a
    tenant may do goes through the API, and nothing of the system need be reachable but that.

    \b
    Examples:
      orchestrator up                      the whole stack on this machine
      orchestrator demo                    one analysis from event to result
      orchestrator demo claims             the recovery of a demo user's claims
      orchestrator demo operations         the ten maintenance workflows
      orchestrator executions list --tenant 7b7e5d1e-3d0c-4c57-9d5e-0d3f6d1f2a10
      orchestrator --api https://orchestrator.example --key-file ~/.key approvals list
    """
    context.obj["traceback"] = traceback
    context.obj["api"] = access_of(api, key, key_file, key_tenant)
    # Else Prefect's library, at a terminal, announces telemetry among our lines, and sends it.
    os.environ.setdefault("DO_NOT_TRACK", "1")
    # Until a process configures its logging, libraries have no stream: an error is one line, and it
    # is ours.
    logging.getLogger().addHandler(logging.NullHandler())
    # Files of these are for others; all else we write is for its owner alone.
    if context.invoked_subcommand not in ("schemas", "openapi"):
        os.umask(0o077)


for command in COMMANDS:
    cli.add_command(command)
refuse_elsewhere(cli)


def main() -> None:
    """The console script. Whatever goes wrong is one line on stderr; 1: it failed, 2: bad input,
    130: interrupted.
    """
    options: dict[str, Any] = {}
    _show_every_character()
    try:
        exit_code = cli.main(prog_name="orchestrator", standalone_mode=False, obj=options)
        if sys.stdout:  # None when it was closed before we began
            sys.stdout.flush()
        sys.exit(exit_code)
    except click.exceptions.NoArgsIsHelpError as error:
        from deployments.printing import say_lines

        say_lines(error.format_message(), error=True)
        sys.exit(error.exit_code)
    except click.ClickException as error:
        _fail(_with_usage(error), error.exit_code)
    except (click.Abort, KeyboardInterrupt):
        sys.exit(130)
    except BrokenPipeError:
        _leave_the_pipe()
    except Exception as error:
        if options.get("traceback"):
            raise
        from deployments.cli.errors import explained

        _fail(*explained(error))


def _show_every_character() -> None:
    """A terminal that cannot show a character gets its number."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def _leave_the_pipe() -> NoReturn:
    """Whoever read our output has gone: end without a word, also from the interpreter, which
    flushes at its end.
    """
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    sys.exit(1)


def _fail(message: str, exit_code: int) -> None:
    from blocks.observability.plain_text import plain_lines
    from blocks.observability.redaction import redacted
    from deployments.logs import log_failure

    if not log_failure(message):
        click.echo(plain_lines(f"error: {redacted(message)}"), err=True)
    sys.exit(exit_code)


def _with_usage(error: click.ClickException) -> str:
    context = error.ctx if isinstance(error, click.UsageError) else None
    return (
        f"{error.format_message()} ({context.command_path} --help)"
        if context
        else error.format_message()
    )
