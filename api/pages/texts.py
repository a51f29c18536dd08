"""Texts and values as pages show them.

Whatever comes from outside is escaped by the templates; the one text that may have a shape, an
approval's summary, is Markdown without HTML and without pictures.
"""

import re

import msgspec
from markdown_it import MarkdownIt
from markupsafe import Markup

_markdown = MarkdownIt("js-default", {"html": False, "linkify": False}).disable("image")
_markdown.validateLink = lambda url: url.startswith(("https://", "http://", "mailto:"))  # type: ignore[method-assign]


def markdown(text: str) -> Markup:
    """The text as HTML; HTML in it is text, and its links lead to web or mail addresses only."""
    return Markup(_markdown.render(text))  # escaped by the parser, whose option `html` is off


def scalar(value: object) -> str:
    """A value as a person reads it."""
    match value:
        case None:
            return "–"
        case bool():
            return "yes" if value else "no"
        case int():
            return f"{value:,}"
        case float():
            return f"{value:,.6g}" if abs(value) < 1000 else f"{value:,.2f}".removesuffix(".00")
        case _:
            return str(value)


def words(name: str) -> str:
    """A field's name as people write: `detectedRisks` becomes `Detected risks`."""
    apart = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|[_.-]+", " ", name).strip()
    return apart[:1].upper() + re.sub(
        r" ([A-Z])(?=[a-z])", lambda found: found[0].lower(), apart[1:]
    )


def as_json(value: object) -> str:
    return msgspec.json.format(msgspec.json.encode(value), indent=2).decode()
