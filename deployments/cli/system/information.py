"""`orchestrator schemas | settings | version`"""

from typing import TYPE_CHECKING, Any

import click

from blocks.observability.plain_text import plain

if TYPE_CHECKING:
    from pathlib import Path

    from blocks.settings import Settings


@click.command()
@click.option(
    "--out",
    type=click.Path(file_okay=False),
    metavar="DIR",
    help="Write files there instead: one per event, asyncapi.json.",
)
def schemas(out: str | None) -> None:
    """Print the JSON Schemas of all events.

    The schemas of every published event, and the AsyncAPI 3 document of every event in and out.

    \b
    Examples:
      orchestrator schemas
      orchestrator schemas --out build/schemas
      orchestrator schemas | jq .asyncapi
    """
    from pathlib import Path

    from blocks.contracts.schemas import asyncapi, event_schemas
    from blocks.services import form_of
    from blocks.settings import load_settings

    settings = load_settings()
    form = form_of(settings)
    by_type = event_schemas(form)
    document = asyncapi(settings.module.version, settings.rabbitmq.exchange, form)
    if out is None:
        click.echo(_pretty({"schemas": by_type, "asyncapi": document}))
        return
    files = {f"{event_type}.schema.json": _pretty(schema) for event_type, schema in by_type.items()}
    _write(Path(out), files | {"asyncapi.json": _pretty(document)})


@click.command()
@click.option("--check", is_flag=True, help="Print no setting: say whether they can work.")
@click.option("--markdown", is_flag=True, help="Print what each one means: docs/settings.md.")
def settings(check: bool, markdown: bool) -> None:
    """Print the settings, secrets masked.

    As they are in effect here: the file that ORCHESTRATOR_CONFIG names is laid over the defaults
    key by key; both may name environment variables. What the file has that sets nothing is named on
    stderr. With --check, the files that settings name have to be there, too; no server is asked
    (`orchestrator doctor` does). Exit code 2: something cannot work.

    \b
    Examples:
      orchestrator settings
      PORT=8080 ORCHESTRATOR_CONFIG=production.yaml orchestrator settings
      orchestrator settings --check
    """
    import msgspec

    from blocks.settings import load_settings

    if markdown:
        from deployments.cli.system.settings_page import settings_page

        click.echo(settings_page(), nl=False)
        return
    loaded = load_settings()
    for note in loaded.notes:
        click.echo(plain(f"{note.level}: {note.text}"), err=True)
    if check:
        _check_paths(loaded)
        return
    tree = msgspec.to_builtins(loaded)
    del tree["notes"]
    shown = {name: _without_secrets(name, part) for name, part in tree.items()}
    click.echo(msgspec.yaml.encode(shown).decode(), nl=False)


def _check_paths(loaded: "Settings") -> None:
    from blocks.settings.environment.paths import path_problems

    problems = path_problems(loaded)
    for problem in problems:
        click.echo(plain(f"error: {problem}"), err=True)
    if problems:
        raise SystemExit(2)
    click.echo("settings: they can work")


def _without_secrets(name: str, value: Any) -> Any:
    """A setting, or a part: what is named like a secret, and passwords in URLs, are masked."""
    from blocks.observability.redaction import masked_url, names_a_secret

    if isinstance(value, dict):
        return {key: _without_secrets(key, one) for key, one in value.items()}
    if not isinstance(value, str) or not value:
        return value
    return "***" if names_a_secret(name) else masked_url(value)


@click.command()
def version() -> None:
    """Print the version.

    \b
    Examples:
      orchestrator version
    """
    import platform
    from importlib.metadata import version as installed

    click.echo(plain(f"workflow-orchestrator {installed('workflow-orchestrator')}"))
    click.echo(plain(f"prefect {installed('prefect')}, python {platform.python_version()}"))


def _write(folder: "Path", files: dict[str, str]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        (folder / name).write_text(content + "\n")
    click.echo(plain(f"{len(files)} files in {folder}"))


def _pretty(content: object) -> str:
    import msgspec

    return msgspec.json.format(msgspec.json.encode(content), indent=2).decode()
