"""Cache warm-up over real HTTP."""

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from blocks.operations.warmup import warm_api, warm_cms, warm_session
from blocks.operations.warmup.warming import NothingWarmed
from blocks.operations.work import NotConfigured
from blocks.settings import load_settings
from blocks.settings.operations import CacheWarmup
from tests.support.servers.canned_http import answer, canned_http
from tests.support.servers.ports import free_port

Warm = Callable[[CacheWarmup], Awaitable[dict[str, Any]]]


def settings_of(**variables: str) -> CacheWarmup:
    named = {f"CACHE_WARMUP_{name}": value for name, value in variables.items()}
    return load_settings(named).operations.cache_warmup


async def test_pages_are_read_whole_and_counted() -> None:
    async with canned_http(answer(b"x" * 1000)) as (served, url):
        listed = f"first={url}/api/services?page=1&token=s3cret, {url}/api/menu"
        warmed = await warm_api(settings_of(API_URLS=listed))

    assert ["/api/menu", "/api/services?page=1&token=s3cret"] == sorted(
        request.path for request in served.received
    )
    assert (2, 2, 0, 2000) == (
        warmed["endpointsWarmed"],
        warmed["totalEndpoints"],
        warmed["failed"],
        warmed["bytes"],
    )
    first, second = warmed["details"]
    assert ("first", f"{url}/api/services", True, 200, 1000) == (
        first["name"],
        first["url"],
        first["warmed"],
        first["status"],
        first["bytes"],
    )
    assert f"{url.removeprefix('http://')}/api/menu" == second["name"]
    assert "s3cret" not in str(warmed)


async def test_pages_that_do_not_answer_are_counted() -> None:
    async with canned_http() as (_, url):
        gone = f"http://127.0.0.1:{free_port()}/"
        settings = settings_of(CMS_URLS=f"{url},gone={gone}", SESSION_URLS=f"{url},gone={gone}")
        warmed, session = await warm_cms(settings), await warm_session(settings)

    assert (1, 1, "it cannot be reached (ConnectError)") == (
        warmed["cmsWarmed"],
        warmed["failed"],
        warmed["details"][1]["error"],
    )
    assert session["sessionCacheReady"] is False


async def test_when_no_page_answers_the_reasons_are_named() -> None:
    async with canned_http(answer(b"", "404 Not Found")) as (_, url):
        settings = settings_of(API_URLS=",".join(f"p{number}={url}/" for number in range(5)))
        with pytest.raises(NothingWarmed) as failure:
            await warm_api(settings)

    assert (
        "none of 5 pages answered: p0: it answered 404; p1: it answered 404; p2: it answered 404; "
        "and 2 more" == str(failure.value)
    )


@pytest.mark.parametrize(
    ("warm", "variable"),
    [(warm_api, "API_URLS"), (warm_cms, "CMS_URLS"), (warm_session, "SESSION_URLS")],
)
async def test_a_group_without_pages_has_nothing_to_do(warm: Warm, variable: str) -> None:
    with pytest.raises(NotConfigured, match=f"CACHE_WARMUP_{variable} names no pages"):
        await warm(settings_of())
