"""The mail with one user's notifications, as text and as a page."""

from collections.abc import Sequence

from jinja2 import Environment, PackageLoader, StrictUndefined

from blocks.contracts.operations.catalogue import NOTIFICATION_DIGEST
from blocks.notifications import Message
from blocks.operations.digest.collecting import Span
from blocks.operations.digest.notices import Notice

_pages = Environment(
    loader=PackageLoader("blocks.operations.digest", "pages"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)


def written(subject: str, notices: Sequence[Notice], more: int, span: Span) -> Message:
    """`notices`: of one user, oldest first; `more`: how many older ones are left out."""
    facts = {"subject": subject, "notices": notices, "more": more, "span": span}
    lines = [f"From {_moment(span.since)} to {_moment(span.until)} UTC", ""]
    lines += [f"{more} older ones are left out.", ""] if more else []
    for notice in notices:
        lines += [f"- {notice.title} ({_moment(notice.at)})"]
        lines += [f"  {line}" for line in notice.body.splitlines()]
        lines += [f"  {notice.link}"] if notice.link else []
    return Message(
        subject=f"{subject}: {len(notices) + more}",
        body="\n".join(lines),
        html=_pages.get_template("digest.html").render(facts, moment=_moment),
        recipient=notices[-1].address,
        metadata={"workflow": NOTIFICATION_DIGEST.id},
    )


def _moment(moment: object) -> str:
    return f"{moment:%Y-%m-%d %H:%M}"
