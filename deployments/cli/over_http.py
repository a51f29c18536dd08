"""`--api`: the same commands with the API in place of the store.

Contract: a command that may do so is in `OVER_HTTP` and takes what it prints from `answered`; all
others refuse `--api`, so that none can touch a store beside the one that is meant. Only click is
imported here.
"""

import asyncio
import functools
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Concatenate, NoReturn, ParamSpec, TypeVar

import click

from deployments.cli.parameters import uuid

P = ParamSpec("P")
T = TypeVar("T")
Decorated = TypeVar("Decorated", bound=Callable[..., Any])

OVER_HTTP = frozenset(
    {
        "executions list",
        "executions show",
        "executions start",
        "executions cancel",
        "executions retry",
        "executions rerun",
        "approvals list",
        "approvals show",
        "approvals approve",
        "approvals reject",
        "approvals ask",
        "approvals answer",
        "stand-ins list",
        "stand-ins name",
        "stand-ins end",
        "definitions show",
        "definitions set",
        "definitions reset",
        "jobs list",
        "jobs trigger",
        "jobs backfill",
        "workflows list",
        "workflows trigger",
        "workflows status",
        "workflows history",
        "events list",
        "events publish",
        "webhooks list",
        "webhooks add",
        "webhooks rotate",
        "webhooks remove",
        "keys create",
        "keys list",
        "keys revoke",
        "dead-letters list",
        "dead-letters show",
        "dead-letters edit",
        "dead-letters replay",
        "dead-letters discard",
        "audit list",
    }
)
"""Commands that `--api` takes to the API."""

WITHOUT_STORE = frozenset({"version", "settings", "schemas", "openapi"})
"""Commands that use neither the API nor the store; `ORCHESTRATOR_API` means nothing to them."""


@dataclass(frozen=True)
class Access:
    """Where the API is, and the credential it is shown."""

    url: str
    key: str | None = field(repr=False)
    tenant_id: str | None
    """Whose credential it is, for commands that name no tenant; None: the platform's."""


def access_options(command: Decorated) -> Decorated:
    """The options of `orchestrator` itself that name the API and its key."""
    for option in (
        click.option(
            "--key-tenant",
            type=uuid,
            envvar="ORCHESTRATOR_TENANT",
            show_envvar=True,
            help="Whose key it is, for commands without a tenant.  [default: the platform]",
        ),
        click.option(
            "--key-file",
            type=click.Path(dir_okay=False, path_type=Path),
            envvar="ORCHESTRATOR_API_KEY_FILE",
            show_envvar=True,
            help="The file that holds the key.",
        ),
        click.option(
            "--key",
            envvar="ORCHESTRATOR_API_KEY",
            show_envvar=True,
            help="API key or token. On the command line, every user of this machine can read it "
            "in the list of processes: prefer the variable or the file.",
        ),
        click.option(
            "--api",
            metavar="URL",
            envvar="ORCHESTRATOR_API",
            show_envvar=True,
            help="Work through the API there instead of the store.",
        ),
    ):
        command = option(command)
    return command


def access_of(
    url: str | None, key: str | None, key_file: Path | None, tenant_id: str | None
) -> Access | None:
    """None: no API is named. Raises `UsageError`, `BadParameter`, `OSError`."""
    if not url:
        return None
    return Access(_checked(url.strip()), _key(key, key_file), tenant_id)


def access() -> Access | None:
    """What this command line names."""
    context = click.get_current_context(silent=True)
    options = context.find_root().obj if context else None
    return options.get("api") if isinstance(options, dict) else None


def answered(
    by_store: Callable[P, Awaitable[T]], by_api: Callable[Concatenate[Access, P], Awaitable[T]]
) -> Callable[P, T]:
    """Asks the API if the command line names one, else the store; both answer the same."""

    def ask(*args: P.args, **kwargs: P.kwargs) -> T:
        named = access()

        async def asked() -> T:
            if named:
                return await by_api(named, *args, **kwargs)
            return await by_store(*args, **kwargs)

        work: Coroutine[Any, Any, T] = asked()
        return asyncio.run(work)

    return ask


def refuse_elsewhere(command: click.Command, path: tuple[str, ...] = ()) -> None:
    """From now on, commands below this one that are not in `OVER_HTTP` refuse `--api`."""
    if isinstance(command, click.Group):
        for name, one in command.commands.items():
            refuse_elsewhere(one, (*path, name))
    named = " ".join(path)
    callback = command.callback
    is_leaf = not isinstance(command, click.Group) or command.invoke_without_command
    if not is_leaf or named in OVER_HTTP | WITHOUT_STORE or callback is None:
        return

    @functools.wraps(callback)
    def refusing(*args: Any, **kwargs: Any) -> Any:
        if access():
            _refuse(named)
        return callback(*args, **kwargs)

    command.callback = refusing


def _refuse(command: str) -> NoReturn:
    raise click.UsageError(
        f"`orchestrator {command}` works on this system's own parts, not through the API: leave "
        "out --api, and unset ORCHESTRATOR_API."
    )


def _checked(url: str) -> str:
    from urllib.parse import urlsplit

    try:
        parts = urlsplit(url)
        is_one = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        is_one = False
    if not is_one or parts.query or parts.fragment or "@" in parts.netloc:
        raise click.BadParameter(
            "must be http(s)://HOST[:PORT][/PATH], without a user, a query or a fragment.",
            param_hint="--api",
        )
    return url.rstrip("/")


def _key(key: str | None, file: Path | None) -> str | None:
    if key and file:
        raise click.UsageError("Name the key once: --key, or --key-file.")
    text = file.read_text(errors="replace") if file else key
    key = text.strip() if text else None
    if key and not (key.isascii() and key.isprintable() and " " not in key):
        raise click.BadParameter(
            "holds a character that no credential has.",
            param_hint="--key-file" if file else "--key",
        )
    if file and not key:
        raise click.BadParameter("holds no key.", param_hint="--key-file")
    return key
