"""The pages of the summary: their footer with page x of y, and a file that is always the same."""

from datetime import UTC, datetime
from io import BytesIO
from typing import Any

from reportlab.pdfgen.canvas import Canvas
from reportlab.platypus import Flowable, SimpleDocTemplate

from blocks.claims.packets.fonts import REGULAR, register
from blocks.claims.packets.styles import LINE, MARGIN, MUTED, PAGE, WIDTH

_FOOTER_HEIGHT = 32
_FRAME_PADDING = 6  # the library puts as much around what is on a page


def pdf_of(story: list[Flowable], *, title: str, footer: str, made_at: datetime) -> bytes:
    """The document, with this footer and the page's number on each page. The same arguments give
    the same bytes.
    """
    register()
    made, moment = BytesIO(), made_at.astimezone(UTC)

    class Pages(_NumberedPages):
        footer_text = footer

        def __init__(self, *args: Any, **more: Any) -> None:
            super().__init__(*args, **more)
            # The library's clock is stopped by `invariant`; the date is that of the packet.
            self.setDateFormatter(lambda *_: moment.strftime("D:%Y%m%d%H%M%S+00'00'"))

    document = SimpleDocTemplate(
        made,
        pagesize=PAGE,
        leftMargin=MARGIN - _FRAME_PADDING,
        rightMargin=MARGIN - _FRAME_PADDING,
        topMargin=MARGIN,
        bottomMargin=MARGIN + _FOOTER_HEIGHT / 2,
        title=title,
        author="Claim recovery",
        subject="Proof packet",
        creator="workflow-orchestrator",
        lang="en",
        invariant=1,
    )
    document.build(story, canvasmaker=Pages)
    return made.getvalue()


class _NumberedPages(Canvas):  # type: ignore[misc] # the library has no types
    """Keeps its pages until their number is known."""

    footer_text = ""

    def __init__(self, *args: Any, **more: Any) -> None:
        super().__init__(*args, **more)
        self._kept: list[dict[str, Any]] = []

    def showPage(self) -> None:  # noqa: N802 # the library's name
        self._kept.append(dict(self.__dict__))
        self._startPage()

    def save(self) -> None:
        for page in self._kept:
            self.__dict__.update(page)
            self._draw_footer(len(self._kept))
            super().showPage()
        super().save()

    def _draw_footer(self, pages: int) -> None:
        self.saveState()
        self.setStrokeColor(LINE)
        self.line(MARGIN, MARGIN + 4, MARGIN + WIDTH, MARGIN + 4)
        self.setFillColor(MUTED)
        self.setFont(REGULAR, 7.5)
        self.drawString(MARGIN, MARGIN - 8, self.footer_text)
        self.drawRightString(MARGIN + WIDTH, MARGIN - 8, f"Page {self._pageNumber} of {pages}")
        self.restoreState()
