"""Fonts of the summary, and text that they can show.

DejaVu Sans where it is installed, else the one that comes with the PDF library; for Chinese,
Japanese and Korean the fonts that every PDF reader has. What none of them can show becomes a box.
"""

import re
from functools import cache
from itertools import groupby
from pathlib import Path
from xml.sax.saxutils import escape

import reportlab
from reportlab.pdfbase import pdfmetrics
from reportlab.pdfbase.cidfonts import UnicodeCIDFont
from reportlab.pdfbase.ttfonts import TTFont

REGULAR, BOLD = "packet-regular", "packet-bold"
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
_EAST_ASIAN = {
    "HYSMyeongJo-Medium": re.compile("[\u1100-\u11ff\u3130-\u318f\uac00-\ud7af]"),
    "HeiseiMin-W3": re.compile("[\u3040-\u30ff]"),
    "STSong-Light": re.compile("[\u3000-\u303f\u4e00-\u9fff\uff00-\uffef]"),
}


def markup(text: str, *, font: str = REGULAR, limit: int = TEXT_MAX) -> str:
    """The text as the library's markup, which it cannot break out of, with what can be shown."""
    plain = " ".join(text.split())
    if len(plain) > limit:
        plain = plain[: limit - 1] + "…"
    return "".join(
        _run(name, "".join(characters))
        for name, characters in groupby(plain, key=lambda one: _font_of(one, font))
    )


@cache
def register() -> None:
    """The fonts have their names; before anything is measured or drawn."""
    regular, bold = _files()
    pdfmetrics.registerFont(TTFont(REGULAR, str(regular)))
    pdfmetrics.registerFont(TTFont(BOLD, str(bold)))
    pdfmetrics.registerFontFamily(REGULAR, normal=REGULAR, bold=BOLD, italic=REGULAR)
    for name in _EAST_ASIAN:
        pdfmetrics.registerFont(UnicodeCIDFont(name))


def _files() -> tuple[Path, Path]:
    names = ("DejaVuSans.ttf", "DejaVuSans-Bold.ttf")
    for folder in _FOLDERS:
        if all((folder / name).is_file() for name in names):
            return folder / names[0], folder / names[1]
    return _OF_THE_LIBRARY / "Vera.ttf", _OF_THE_LIBRARY / "VeraBd.ttf"


def _run(name: str | None, characters: str) -> str:
    if name is None:
        box = BOX if _has(REGULAR, BOX) else "?"
        return box * len(characters)
    if name in _EAST_ASIAN:
        return f'<font name="{name}">{escape(characters)}</font>'
    return escape(characters)


def _font_of(character: str, font: str) -> str | None:
    """Which font shows it: the wanted one, else an East Asian one; None: none does."""
    if _has(font, character):
        return font
    return next((name for name, those in _EAST_ASIAN.items() if those.match(character)), None)


def _has(font: str, character: str) -> bool:
    register()
    return ord(character) in pdfmetrics.getFont(font).face.charToGlyph
