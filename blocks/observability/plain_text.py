"""Text from outside, fit for a line of a log or a terminal.

Purpose: what events, requests and records hold must not move a cursor, colour a screen, turn
writing around or pass for a line of ours. Contract: what cannot be printed is spelled out as in
Python's strings, everything else stays.
"""

import re
import unicodedata


def plain(text: str) -> str:
    """The text on one line, with its control and format characters spelled out: `\\x1b`, `\\n`,
    `\\u202e`.
    """
    if text.isprintable():
        return text
    if all(map(_is_shown, text)):
        return text
    return "".join(
        char if _is_shown(char) else _spelled(char) for char in text.replace("\\", "\\\\")
    )


def shortened(text: str, length: int) -> str:
    """The same, at most `length` characters long; an ellipsis ends a text that was cut."""
    # Cut before it is spelled out, too: the text may be of any size.
    return cut(plain(text[: length + 1].strip()), length)


def cut(text: str, length: int) -> str:
    """The text as it is, at most `length` characters long; an ellipsis ends one that was cut."""
    return text if len(text) <= length else f"{text[: length - 1]}…"


def plain_lines(text: str) -> str:
    """The same for a text of several lines, which stay lines."""
    return "\n".join(map(plain, re.split(r"\r?\n", text)))


def plain_json(document: str) -> str:
    """The same JSON values, written without characters that a terminal would obey; line breaks
    stay.
    """
    if document.isprintable():
        return document
    return "".join(char if char == "\n" or _is_shown(char) else _as_json(char) for char in document)


def _is_shown(char: str) -> bool:
    return char.isprintable() or unicodedata.category(char) == "Zs"


def _spelled(char: str) -> str:
    return char.encode("unicode_escape").decode()


def _as_json(char: str) -> str:
    units = char.encode("utf-16-be", "surrogatepass")
    return "".join(f"\\u{units[n]:02x}{units[n + 1]:02x}" for n in range(0, len(units), 2))
