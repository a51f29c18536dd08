"""`orchestrator openapi`"""

import click

from blocks.observability.plain_text import plain


@click.command()
@click.option(
    "--out",
    type=click.Path(file_okay=False),
    metavar="DIR",
    help="Write openapi.json and openapi.yaml there instead.",
)
def openapi(out: str | None) -> None:
    """Print the OpenAPI 3.1 document of the API as YAML.

    It is what /openapi.yaml and /docs/openapi.json answer under the same settings.

    \b
    Examples:
      orchestrator openapi > openapi.yaml
      orchestrator openapi --out build/
    """
    from pathlib import Path
    from typing import Any

    import msgspec

    from api.app import create_app
    from api.documentation.exported import openapi_json, openapi_yaml
    from blocks.settings import load_settings

    never_asked: Any = None
    app = create_app(load_settings(), never_asked, never_asked, never_asked, probes={})
    document = openapi_json(app)
    if out is None:
        click.echo(openapi_yaml(document), nl=False)
        return
    folder = Path(out)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "openapi.json").write_bytes(msgspec.json.format(document, indent=2) + b"\n")
    (folder / "openapi.yaml").write_bytes(openapi_yaml(document))
    click.echo(plain(f"openapi.json and openapi.yaml in {folder}"))
