"""Dead letters over HTTP: those of one tenant."""

from collections.abc import AsyncIterator, Awaitable, Mapping, Sequence
from contextlib import asynccontextmanager

from api.dead_letters.documents import DeadLetter, DeadLetterPage, DeadLetterSummary
from blocks.contracts.rejections import MALFORMED_JSON, Rejected
from blocks.json_text import read_json_object
from deployments.cli.actions.dead_letters import Action, Outcome, Work, do_all, edited
from deployments.cli.over_http import Access
from deployments.cli.remote.client import Client, client, moment, path_of
from deployments.cli.remote.refusals import NotDone
from deployments.cli.views.dead_letters import Wanted, content_of

_PATH = path_of("dead-letters")

_OF_THIS_LETTER = (404, 409, 412)
"""Refusals after which the next letter is tried."""


async def query_letters(access: Access, wanted: Wanted, limit: int) -> list[DeadLetterSummary]:
    async with client(access, wanted.tenant_id) as api:
        return [one async for one in api.pages(_PATH, DeadLetterPage, limit, _query(wanted))]


async def read_letter(access: Access, tenant_id: str | None, id: str) -> DeadLetter:
    async with client(access, tenant_id) as api:
        return await api.get(_path(id), DeadLetter)


async def edit_letter(
    access: Access, tenant_id: str | None, id: str, event: bytes | None, actor: str
) -> str | None:
    async with client(access, tenant_id, actor) as api:
        letter, etag = await api.read(_path(id), DeadLetter)
        before = content_of(letter)
        after = edited(before) if event is None else event
        if after is None or after == before:
            return None
        try:
            wanted = {"event": read_json_object(after)}
        except ValueError as problem:
            raise Rejected(MALFORMED_JSON, str(problem)) from None
        done = await api.send("PATCH", _path(id), DeadLetter, wanted, if_match=etag)
        return done.id


async def act_on_many(
    access: Access,
    wanted: Wanted,
    named: Sequence[str],
    action: Action,
    *,
    rate: float | None,
    sure: bool,
    as_json: bool,
) -> int:
    working = _through_the_api(access, wanted, named, action)
    return await do_all(working, rate=rate, sure=sure, as_json=as_json)


@asynccontextmanager
async def _through_the_api(
    access: Access, wanted: Wanted, named: Sequence[str], action: Action
) -> AsyncIterator[Work]:
    async with client(access, wanted.tenant_id, action.actor) as api:
        ids = list(named) or await _all_ids(api, wanted)

        async def outcomes() -> AsyncIterator[Awaitable[Outcome]]:
            for id in ids:
                yield _acted(api, action, id)

        yield Work(len(ids), outcomes())


async def _all_ids(api: Client, wanted: Wanted) -> list[str]:
    """The oldest first."""
    query = {**_query(wanted), "order": "oldest"}
    return [one.id async for one in api.pages(_PATH, DeadLetterPage, None, query)]


async def _acted(api: Client, action: Action, id: str) -> Outcome:
    body = {"reason": action.reason} if action.name == "discard" else None
    try:
        letter = await api.post(f"{_path(id)}/{action.name}", DeadLetter, body)
    except NotDone as refused:
        if refused.status not in _OF_THIS_LETTER:
            raise
        return Outcome(id, error=str(refused))
    return Outcome(id, letter.status)


def _path(id: str) -> str:
    return path_of("dead-letters", id)


def _query(wanted: Wanted) -> Mapping[str, str | None]:
    of = wanted.filter
    return {
        "code": of.code,
        "type": of.event_type,
        "queue": of.queue,
        "status": of.status,
        "createdBefore": moment(of.refused_before),
    }
