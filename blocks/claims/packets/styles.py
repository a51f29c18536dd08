"""How the summary looks: colours, sizes, and the parts that every section is made of."""

from collections.abc import Sequence
from typing import Any

from reportlab.lib import colors
from reportlab.lib.pagesizes import A4
from reportlab.lib.styles import ParagraphStyle
from reportlab.lib.units import mm
from reportlab.pdfbase import pdfmetrics
from reportlab.platypus import Paragraph, Table, TableStyle

from blocks.claims.packets.fonts import BOLD, REGULAR, markup, register

PAGE, MARGIN = A4, 18 * mm
WIDTH = PAGE[0] - 2 * MARGIN

INK = colors.HexColor("#1b2733")
MUTED = colors.HexColor("#5d6b78")
LINE = colors.HexColor("#d5dce3")
PALE = colors.HexColor("#f3f6f9")
ACCENT = colors.HexColor("#0b5d4e")
WARNING = colors.HexColor("#8a4b00")


def _style(name: str, size: float, *, bold: bool = False, **more: Any) -> ParagraphStyle:
    more = {"textColor": INK, "leading": size * 1.35, **more}
    return ParagraphStyle(name, fontName=BOLD if bold else REGULAR, fontSize=size, **more)


TITLE = _style("title", 20, bold=True, textColor=colors.white)
SUBTITLE = _style("subtitle", 9.5, textColor=colors.HexColor("#d6ebe6"))
HEADING = _style("heading", 12, bold=True, textColor=ACCENT, spaceBefore=14, spaceAfter=5)
BODY = _style("body", 9)
LABEL = _style("label", 8.5, textColor=MUTED)
COLUMN = _style("column", 8, bold=True, textColor=MUTED)
BANNER = _style("banner", 9, bold=True, textColor=WARNING)


def figure(text: str, colour: colors.Color, width: float) -> Paragraph:
    """A large amount, on one line of this width however many digits it has."""
    register()
    size = min(16.0, 16.0 * width / pdfmetrics.stringWidth(text, BOLD, 16))
    return paragraph(text, _style("figure", size, bold=True, textColor=colour))


def paragraph(text: str, style: ParagraphStyle = BODY) -> Paragraph:
    """A text from outside, shown as it is."""
    return Paragraph(markup(text, font=style.fontName), style)


def listing(
    columns: Sequence[str], rows: Sequence[Sequence[str]], widths: Sequence[float]
) -> Table:
    """A table whose heading is repeated on each page; `widths` are shares of the page's width."""
    cells = [[paragraph(name, COLUMN) for name in columns]]
    cells += [[paragraph(text) for text in row] for row in rows]
    rules = [
        ("BACKGROUND", (0, 0), (-1, 0), PALE),
        ("LINEBELOW", (0, 0), (-1, -1), 0.5, LINE),
        *_padding(5, 4),
    ]
    return Table(cells, [WIDTH * share for share in widths], repeatRows=1, style=TableStyle(rules))


def pairs(rows: Sequence[tuple[str, str]]) -> Table:
    """Labels, each with its value."""
    cells = [[paragraph(label, LABEL), paragraph(value)] for label, value in rows]
    rules = [("LINEBELOW", (0, 0), (-1, -1), 0.5, LINE), *_padding(3.5, 2)]
    return Table(cells, [WIDTH * 0.3, WIDTH * 0.7], style=TableStyle(rules))


def _padding(vertical: float, horizontal: float) -> list[tuple[Any, ...]]:
    return [
        ("VALIGN", (0, 0), (-1, -1), "TOP"),
        ("TOPPADDING", (0, 0), (-1, -1), vertical),
        ("BOTTOMPADDING", (0, 0), (-1, -1), vertical),
        ("LEFTPADDING", (0, 0), (-1, -1), horizontal),
        ("RIGHTPADDING", (0, 0), (-1, -1), horizontal),
    ]
