"""`orchestrator openapi`"""

import click

from blocks.observability.plain_text import plain


@click.command()
@click.option(
    "--out",
    type=click.Path(file_okay=False),
    metavar="DIR",
    help="Write both documents there, as JSON and as YAML.",
)
@click.option("--compatible", is_flag=True, help="Print that of the compatible routes.")
def openapi(out: str | None, compatible: bool) -> None:
    """Print the OpenAPI 3.1 document of the API as YAML.

    It is what /schema/openapi.yaml answers under the same settings, or /schema/compatible.yaml,
    which has the routes that are kept for clients of other systems.

    \b
    Examples:
      orchestrator openapi > openapi.yaml
      orchestrator openapi --out build/
    """
    from pathlib import Path
    from typing import Any

    import msgspec

    from api.app import create_app
    from api.documentation.exported import yaml_of
    from api.documentation.parts import PARTS, json_of
    from blocks.settings import load_settings

    never_asked: Any = None
    app = create_app(load_settings(), never_asked, never_asked, never_asked, probes={})
    if out is None:
        click.echo(yaml_of(app, "compatible" if compatible else "openapi"), nl=False)
        return
    folder = Path(out)
    folder.mkdir(parents=True, exist_ok=True)
    for part in PARTS:
        as_json = msgspec.json.format(json_of(app, part), indent=2) + b"\n"
        (folder / f"{part}.json").write_bytes(as_json)
        (folder / f"{part}.yaml").write_bytes(yaml_of(app, part))
    click.echo(plain(f"{' and '.join(PARTS)}, each as .json and .yaml, in {folder}"))
