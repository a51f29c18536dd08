"""What people are notified of when content has changed."""

import msgspec

from blocks.contracts.events import JsonObject
from blocks.notifications import Message
from blocks.operations.cms.content import Fetched


def news_of(fetched: JsonObject) -> Message | None:
    """Which content has changed; None: none has. `fetched` holds the figures of `fetch`."""
    found = msgspec.convert(fetched["fetched"], list[Fetched])
    changed = [one for one in found if one.changed]
    if not changed:
        return None
    names = ", ".join(one.endpoint for one in changed)
    lines = [f"/api/{one.endpoint}: {one.count:,} items" for one in changed]
    lines += [f"not read: {one.error}" for one in found if not one.success]
    return Message(subject=f"CMS content has changed: {names}", body="\n".join(lines))
