"""`/audit`: who changed what, for the tenant's admin."""

from datetime import timedelta
from typing import Annotated, Any

import msgspec
from litestar import Response, get
from litestar.params import QueryParameter

from api.access.tenancy import TenantId
from api.audit.acts import ACTION_OF
from api.audit.routes import page_of_entries
from api.http.lists import Continuation
from api.http.records import Store
from api.pages.days import day_of
from api.pages.rendering import page
from blocks.contracts.records.audit import FAILED_LOGIN
from blocks.ports import Between

PAGE_SIZE = 50
ACTIONS = sorted({*ACTION_OF.values(), FAILED_LOGIN})


class Chosen(msgspec.Struct, frozen=True):
    """The filters, as they are stated; an empty one filters nothing."""

    action: str = ""
    by: str = ""
    target: str = ""
    since: str = ""
    until: str = ""

    def as_query(self) -> dict[str, str]:
        return {name: value for name, value in msgspec.structs.asdict(self).items() if value}


def _filter(description: str) -> QueryParameter:
    return QueryParameter(description=description, max_length=200)


@get("/audit")
async def show_audit(
    store: Store,
    tenant_id: TenantId,
    action: Annotated[str, _filter("Only this action")] = "",
    by: Annotated[str, _filter("Only what was done in this name")] = "",
    target: Annotated[str, _filter("Only what named or changed this id")] = "",
    since: Annotated[str, _filter("Only from this day on, in UTC")] = "",
    until: Annotated[str, _filter("Only until this day, in UTC")] = "",
    continuation: Continuation = None,
) -> Response[Any]:
    """What was changed, newest first, and what was refused."""
    chosen = Chosen(action, by.strip(), target.strip(), since, until)
    first, last = day_of("since", since), day_of("until", until)
    where = {
        "action": chosen.action or None,
        "actor": chosen.by or None,
        "created_at": Between(since=first, until=last and last + timedelta(days=1))
        if first or last
        else None,
    }
    entries = await page_of_entries(
        store, tenant_id, where, chosen.target or None, "newest", PAGE_SIZE, continuation
    )
    return page(
        "settings/audit.html",
        entries=entries.items,
        chosen=chosen,
        actions=ACTIONS,
        continuation=continuation,
        following=entries.continuation,
    )
