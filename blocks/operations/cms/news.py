"""What people are notified of when content has changed."""

from blocks.contracts.events import JsonObject
from blocks.notifications import Message
from blocks.operations.cms.content import fetched_in


def news_of(fetched: JsonObject) -> Message | None:
    """Which content has changed; None: none has. `fetched` holds the figures of `fetch`.

    Raises `NotConfigured`.
    """
    found = fetched_in(fetched)
    changed = [one for one in found if one.changed]
    if not changed:
        return None
    names = ", ".join(one.endpoint for one in changed)
    lines = [f"/api/{one.endpoint}: {one.count:,} items" for one in changed]
    lines += [f"not read: {one.error}" for one in found if not one.success]
    return Message(subject=f"CMS content has changed: {names}", body="\n".join(lines))
