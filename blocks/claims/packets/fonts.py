"""Fonts of the summary, and text that they can show; all are embedded in it.

DejaVu Sans where it is installed, else the one that comes with the PDF library; for what it lacks
Droid Sans Fallback, if that is installed (Chinese, Japanese, Korean). What no font can show becomes
a box. Scripts that run from right to left are set in that order, Arabic letters unconnected.
"""

import re
import unicodedata
from functools import cache
from itertools import groupby
from pathlib import Path
from xml.sax.saxutils import escape

import reportlab
from reportlab.pdfbase import pdfmetrics
from reportlab.pdfbase.ttfonts import TTFError, TTFont

REGULAR, BOLD, FALLBACK = "packet-regular", "packet-bold", "packet-fallback"
BOX = "▯"
TEXT_MAX = 600
"""Characters of one text from outside: a line of a table must fit on a page."""

_FOLDERS = (
    Path("/usr/share/fonts/truetype/dejavu"),
    Path("/usr/share/fonts/dejavu"),
    Path("/usr/share/fonts/dejavu-sans-fonts"),
    Path("/usr/share/fonts/TTF"),
)
_OF_THE_LIBRARY = Path(reportlab.__file__).parent / "fonts"
_FALLBACKS = (
    Path("/usr/share/fonts/truetype/droid/DroidSansFallbackFull.ttf"),
    Path("/usr/share/fonts/google-droid/DroidSansFallbackFull.ttf"),
)


def markup(text: str, *, font: str = REGULAR, limit: int = TEXT_MAX) -> str:
    """The text as the library's markup, which it cannot break out of, with what can be shown."""
    plain = " ".join(text.split())
    if len(plain) > limit:
        plain = plain[: limit - 1] + "…"
    return "".join(
        _run(name, "".join(characters))
        for name, characters in groupby(_in_order(plain), key=lambda one: _font_of(one, font))
    )


@cache
def register() -> frozenset[str]:
    """The fonts that there are, which have their names from now on."""
    regular, bold = _files()
    pdfmetrics.registerFont(TTFont(REGULAR, str(regular)))
    pdfmetrics.registerFont(TTFont(BOLD, str(bold)))
    pdfmetrics.registerFontFamily(REGULAR, normal=REGULAR, bold=BOLD, italic=REGULAR)
    for file in _FALLBACKS:
        try:
            pdfmetrics.registerFont(TTFont(FALLBACK, str(file)))
        except TTFError:  # it is not installed, or in a form that the library cannot read
            continue
        return frozenset((REGULAR, BOLD, FALLBACK))
    return frozenset((REGULAR, BOLD))


def _files() -> tuple[Path, Path]:
    names = ("DejaVuSans.ttf", "DejaVuSans-Bold.ttf")
    for folder in _FOLDERS:
        if all((folder / name).is_file() for name in names):
            return folder / names[0], folder / names[1]
    return _OF_THE_LIBRARY / "Vera.ttf", _OF_THE_LIBRARY / "VeraBd.ttf"


def _in_order(text: str) -> str:
    """As it is drawn, from left to right: words of other direction are turned round, as a group."""
    turned: list[str] = []
    spaces: list[str] = []
    drawn = ""
    for word in re.split(r"( )", text):
        if any(unicodedata.bidirectional(one) in ("R", "AL") for one in word):
            turned += [*spaces, word]
            spaces = []
        elif word == " " and turned:
            spaces.append(word)
        elif word:
            drawn += "".join(turned)[::-1] + "".join(spaces) + word
            turned, spaces = [], []
    return drawn + "".join(turned)[::-1] + "".join(spaces)


def _run(name: str | None, characters: str) -> str:
    if name is None:
        return (BOX if _has(REGULAR, BOX) else "?") * len(characters)
    if name == FALLBACK:
        return f'<font name="{name}">{escape(characters)}</font>'
    return escape(characters)


def _font_of(character: str, font: str) -> str | None:
    """Which font shows it; None: none does."""
    return next((name for name in (font, FALLBACK) if _has(name, character)), None)


def _has(font: str, character: str) -> bool:
    return font in register() and ord(character) in pdfmetrics.getFont(font).face.charToGlyph
