"""`orchestrator schemas | settings | version`"""

from typing import TYPE_CHECKING

import click

from blocks.observability.plain_text import plain

if TYPE_CHECKING:
    from pathlib import Path


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
def settings() -> None:
    """Print the settings, secrets masked.

    As they are in effect here: the file that ORCHESTRATOR_CONFIG names is laid over the defaults
    key by key; both may name environment variables. What the file has that sets nothing is named on
    stderr.

    \b
    Examples:
      orchestrator settings
      PORT=8080 ORCHESTRATOR_CONFIG=production.yaml orchestrator settings
    """
    import msgspec

    from blocks.settings import load_settings, masked_url

    loaded = load_settings()
    for note in loaded.notes:
        click.echo(plain(f"{note.level}: {note.text}"), err=True)
    tree = msgspec.to_builtins(loaded)
    del tree["notes"]
    tree["rabbitmq"]["url"] = masked_url(tree["rabbitmq"]["url"])
    tree["rabbitmq"]["management_url"] = masked_url(tree["rabbitmq"]["management_url"])
    tree["cosmos_db"]["key"] = "***" if tree["cosmos_db"]["key"] else ""
    tree["auth"]["jwt_secret"] = "***" if tree["auth"]["jwt_secret"] else ""
    tree["metrics"]["bearer_token"] = "***" if tree["metrics"]["bearer_token"] else ""
    tree["approvals"]["link_secret"] = "***" if tree["approvals"]["link_secret"] else ""
    tree["prefect"]["api_url"] = masked_url(tree["prefect"]["api_url"])
    tree["notifications"]["smtp_url"] = masked_url(tree["notifications"]["smtp_url"])
    backup = tree["operations"]["database_backup"]
    for name in ("database_url", "databases", "scratch_url"):
        backup[name] = masked_url(backup[name])
    for part in tree["operations"].values():
        if isinstance(part, dict):
            part |= {name: "***" for name in part if name.endswith(("token", "key")) and part[name]}
    health = tree["operations"]["health_monitoring"]
    health["database_url"] = masked_url(health["database_url"])
    audit = tree["operations"]["security_audit"]
    audit["database_url"] = masked_url(audit["database_url"])
    performance = tree["operations"]["performance_optimization"]
    for name in ("database_url", "redis_url"):
        performance[name] = masked_url(performance[name])
    click.echo(msgspec.yaml.encode(tree).decode(), nl=False)


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
