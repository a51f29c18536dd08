"""The documentation as one plain page: every route with its parameters and example answers.

The usual viewers load their scripts from a third party's server, which fails without a network and
reveals the reader to that server. This page is self-contained.
"""

import json
import re
from base64 import b64encode
from collections.abc import Iterator
from hashlib import sha256
from html import escape
from typing import Any

from litestar import Request
from litestar.openapi.plugins import OpenAPIRenderPlugin

from api.access.permissions import role_of

JsonObject = dict[str, Any]


class DocsPage(OpenAPIRenderPlugin):
    """Renders the OpenAPI document without scripts and without anything from elsewhere."""

    def render(self, request: Request[Any, Any, Any], openapi_schema: JsonObject) -> bytes:
        return page(openapi_schema).encode()


def page(document: JsonObject) -> str:
    """The whole page for this OpenAPI document."""
    info, routes = document["info"], list(_routes(document))
    contents = "".join(
        f'<li><a href="#{_anchor(*route[:2])}">{_title(*route[:2])}</a></li>' for route in routes
    )
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>{escape(info["title"])} API</title>
<style>{_STYLE}</style>
</head>
<body>
<h1>{escape(info["title"])} API <small>{escape(info["version"])}</small></h1>
{_paragraphs(info["description"])}
<p>For programs:
<a href="/docs/openapi.json">the OpenAPI {escape(document["openapi"])} document</a>, also
<a href="/docs/openapi.yaml">as YAML</a>.</p>
<nav><ul>{contents}</ul></nav>
{"".join(_section(*route) for route in routes)}
</body>
</html>
"""


def _routes(document: JsonObject) -> Iterator[tuple[str, str, JsonObject]]:
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            yield method.upper(), path, operation


def _section(method: str, path: str, operation: JsonObject) -> str:
    return f"""
<section id="{_anchor(method, path)}">
<h2>{_title(method, path)}</h2>
<h3>{escape(operation["summary"])}</h3>
{_role(method, path)}{_DEPRECATED if operation.get("deprecated") else ""}
{_paragraphs(operation.get("description", ""))}
{_parameters(operation.get("parameters", []))}
{"".join(_response(status, response) for status, response in operation["responses"].items())}
</section>"""


def _role(method: str, path: str) -> str:
    role = role_of(method, path)
    return f"<p>Needs the role <b>{role}</b>.</p>" if role else "<p>Needs no credential.</p>"


def _parameters(parameters: list[JsonObject]) -> str:
    if not parameters:
        return ""
    rows = "".join(
        f"<tr><td><code>{escape(parameter['name'])}</code></td><td>{parameter['in']}</td>"
        f"<td>{'required' if parameter['required'] else 'optional'}</td>"
        f"<td>{escape(_values(parameter['schema']))}</td>"
        f"<td>{_text(parameter.get('description') or '')}</td></tr>"
        for parameter in parameters
    )
    return f"<table>{rows}</table>"


def _values(schema: JsonObject) -> str:
    """What a parameter may be, in words: `integer, 1 to 100, default 50`."""
    kind: str = schema.get("format") or schema["type"]
    words = [" | ".join(schema["enum"]) if "enum" in schema else kind]
    if "minimum" in schema:
        words.append(f"{schema['minimum']:g} to {schema['maximum']:g}")
    if "default" in schema:
        words.append(f"default {schema['default']}")
    return ", ".join(words)


def _response(status: str, response: JsonObject) -> str:
    heading = f"<b>{status}</b> {_text(response['description'])}"
    examples = [
        json.dumps(example["value"], indent=2, ensure_ascii=False)
        for content in response.get("content", {}).values()
        for example in content.get("examples", {}).values()
    ]
    if not examples:
        return f"<p>{heading}</p>"
    shown = "".join(f"<pre>{escape(example)}</pre>" for example in examples)
    return f"<details><summary>{heading}</summary>{shown}</details>"


def _title(method: str, path: str) -> str:
    return f"<code><b>{method}</b> {escape(path)}</code>"


def _anchor(method: str, path: str) -> str:
    return escape(f"{method}-{path.strip('/').replace('/', '-')}".lower())


def _paragraphs(text: str) -> str:
    return "".join(
        f"<p>{_text(paragraph)}</p>" for paragraph in text.strip().split("\n\n") if paragraph
    )


def _text(text: str) -> str:
    """Our descriptions use one mark only: backticks around code."""
    return re.sub("`([^`]+)`", r"<code>\1</code>", escape(text))


_DEPRECATED = "<p>Deprecated: kept for older clients.</p>"

_STYLE = """
:root { color-scheme: light dark; --line: #8884; --soft: #8881 }
body { max-width: 60rem; margin: 2rem auto; padding: 0 1rem; font: 16px/1.5 system-ui, sans-serif }
h1 small { font-size: 1rem; opacity: .6 }
h2 { font-size: 1.1rem; margin: 0; padding: .5rem .75rem; background: var(--soft);
  border-left: 4px solid #2a7ae2 }
h3 { margin: .75rem 0 0; font-size: 1rem }
nav ul { list-style: none; padding: 0 }
section { margin: 2.5rem 0; scroll-margin-top: 1rem }
table { border-collapse: collapse; width: 100%; margin: .75rem 0 }
td { border-top: 1px solid var(--line); padding: .35rem .75rem .35rem 0; vertical-align: top }
details { border-top: 1px solid var(--line); padding: .35rem 0 }
summary { cursor: pointer }
pre { background: var(--soft); padding: .75rem; overflow-x: auto; font-size: .85rem }
"""

HEADERS = {
    # Only this very style; no script, picture, form or frame at all.
    "Content-Security-Policy": "default-src 'none'; "
    f"style-src 'sha256-{b64encode(sha256(_STYLE.encode()).digest()).decode()}'; "
    "form-action 'none'; base-uri 'none'; frame-ancestors 'none'"
}
