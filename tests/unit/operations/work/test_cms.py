"""The content of a CMS with ETags, kept in a real folder."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from blocks.contracts.events import JsonObject
from blocks.files import Files, FilesUnavailable
from blocks.operations import cms
from blocks.operations.cms import CmsUnavailable
from blocks.operations.work import NotConfigured
from blocks.ports import RecordStore
from blocks.settings import Settings, load_settings
from tests.support.operations.cms import Cms, running_cms
from tests.support.operations.web import Reply, web_service
from tests.support.servers.canned_http import answer, canned_http


@pytest.fixture
def server() -> Iterator[Cms]:
    with running_cms() as server:
        yield server


class Copy:
    """The copy of a CMS, and the steps that keep it."""

    def __init__(self, store: RecordStore, settings: Settings) -> None:
        self.store = store
        self.settings = settings
        self.folder = Path(settings.data_dir) / "cms"

    @property
    def place(self) -> Files:
        return cms.open_place(self.settings)

    async def fetch(self) -> JsonObject:
        return await cms.fetch(self.store, self.settings.operations.cms_sync, self.place)

    async def update_cache(self, fetched: JsonObject) -> JsonObject:
        return await cms.update_cache(
            self.store, self.settings.operations.cms_sync, self.place, fetched
        )

    async def sync(self) -> JsonObject:
        """The figures of fetching, once what was fetched is current."""
        fetched = await self.fetch()
        await self.update_cache(fetched)
        return fetched

    def shown(self, endpoint: str) -> object:
        """What readers see."""
        return json.loads((self.folder / f"{endpoint}.json").read_bytes())


@pytest.fixture
def copy(store: RecordStore, server: Cms, tmp_path: Path) -> Copy:
    return copy_of(store, server.url, tmp_path)


def copy_of(store: RecordStore, url: str, folder: Path) -> Copy:
    return Copy(store, load_settings({"CMS_URL": url, "ORCHESTRATOR_DATA_DIR": str(folder)}))


async def test_the_first_sync_fetches_all_and_counts_it(copy: Copy) -> None:
    fetched = await copy.fetch()
    updated = await copy.update_cache(fetched)

    names = ("endpointsSynced", "totalEndpoints", "endpointsChanged", "totalItemsCached")
    assert [4, 4, 4, 4] == [fetched[name] for name in names]
    assert {"endpoint": "/api/services", "count": 2, "success": True} in fetched["details"]
    assert (4, 4) == (updated["cacheUpdated"], updated["totalEndpoints"])
    assert [{"id": 1}, {"id": 2}] == copy.shown("services")


async def test_what_has_not_changed_is_not_sent_again(copy: Copy, server: Cms) -> None:
    await copy.sync()
    server.content["/api/pages"] = {"data": [{"slug": "home"}, {"slug": "prices"}]}

    fetched = await copy.sync()

    assert [False] * 4 + [True] * 4 == server.statuses()
    assert (4, 1, 5) == (
        fetched["endpointsSynced"],
        fetched["endpointsChanged"],
        fetched["totalItemsCached"],
    )
    assert {"data": [{"slug": "home"}, {"slug": "prices"}]} == copy.shown("pages")
    assert 0 == (await copy.sync())["endpointsChanged"]


async def test_without_etags_the_bytes_are_compared(copy: Copy, server: Cms) -> None:
    server.states_etags = False
    await copy.sync()

    fetched = await copy.sync()

    assert (4, 0) == (fetched["endpointsSynced"], fetched["endpointsChanged"])


async def test_a_date_makes_the_next_request_conditional(
    store: RecordStore, tmp_path: Path
) -> None:
    date = "Sat, 28 Nov 2026 10:00:00 GMT"
    dated = answer(b"[1]", headers=f"last-modified: {date}\r\n")
    async with canned_http(*[dated] * 4, answer(b"", "304 Not Modified")) as (received, url):
        copy = copy_of(store, url, tmp_path)
        await copy.sync()
        fetched = await copy.sync()

    assert [None] * 4 + [date] * 4 == [
        one.headers.get("if-modified-since") for one in received.received
    ]
    assert (4, 0) == (fetched["endpointsSynced"], fetched["endpointsChanged"])


async def test_a_cms_that_is_down_keeps_the_old_content(copy: Copy, server: Cms) -> None:
    await copy.sync()
    server.down = set(server.content)

    with pytest.raises(CmsUnavailable) as failure:
        await copy.fetch()

    assert "the CMS (/api/services) answered 503: under maintenance" in str(failure.value)
    assert [{"id": 1}, {"id": 2}] == copy.shown("services")


async def test_an_endpoint_that_fails_keeps_its_content_and_the_others_go_on(
    copy: Copy, server: Cms
) -> None:
    await copy.sync()
    server.content["/api/menu"] = b"<html>an error page</html>"
    server.content["/api/posts"] = [{"id": 9}]

    fetched = await copy.sync()

    assert (3, 1) == (fetched["endpointsSynced"], fetched["endpointsChanged"])
    assert {"endpoint": "/api/menu", "count": 0, "success": False} in fetched["details"]
    assert ({"title": "main"}, [{"id": 9}]) == (copy.shown("menu"), copy.shown("posts"))
    news = cms.news_of(fetched)
    assert news
    assert (
        "/api/posts: 1 items\nnot read: the CMS (/api/menu) answered what is no JSON" == news.body
    )


async def test_more_than_is_read_is_refused(copy: Copy, server: Cms) -> None:
    server.content = dict.fromkeys(server.content, b"[" + b" " * 9000000 + b"]")

    with pytest.raises(CmsUnavailable, match="more than 8388608 bytes"):
        await copy.fetch()

    assert not copy.folder.exists()


async def test_a_file_that_was_lost_is_fetched_again(copy: Copy) -> None:
    await copy.sync()
    (copy.folder / "services.json").unlink()
    (copy.folder / "pages.json").write_text("[]")

    fetched = await copy.sync()

    assert 2 == fetched["endpointsChanged"]
    assert [{"id": 1}, {"id": 2}] == copy.shown("services")
    assert {"data": [{"slug": "home"}]} == copy.shown("pages")


async def test_content_is_current_once_made_so_and_making_it_so_may_be_repeated(
    copy: Copy, server: Cms
) -> None:
    await copy.sync()
    server.content["/api/services"] = []
    fetched = await copy.fetch()
    assert [{"id": 1}, {"id": 2}] == copy.shown("services")

    for _ in range(2):
        await copy.update_cache(fetched)

    assert [] == copy.shown("services")


async def test_bytes_that_changed_on_their_way_never_become_current(copy: Copy) -> None:
    fetched = await copy.fetch()
    (copy.folder / "incoming" / "menu.json").write_text("{}")

    with pytest.raises(FilesUnavailable, match="other bytes in incoming/menu"):
        await copy.update_cache(fetched)

    assert not (copy.folder / "menu.json").exists()


async def test_there_is_news_only_of_what_has_changed(copy: Copy) -> None:
    first, second = await copy.sync(), await copy.sync()

    news = cms.news_of(first)
    assert news
    assert "CMS content has changed: services, pages, menu, posts" == news.subject
    assert cms.news_of(second) is None


async def test_without_a_cms_there_is_nothing_to_do(store: RecordStore, tmp_path: Path) -> None:
    with pytest.raises(NotConfigured, match="CMS_URL"):
        await copy_of(store, "", tmp_path).fetch()
    with pytest.raises(NotConfigured, match="nothing was fetched"):
        await copy_of(store, "", tmp_path).update_cache({})
    with pytest.raises(NotConfigured, match="nothing was fetched"):
        cms.news_of({})


async def test_with_a_core_its_endpoints_are_asked_for_too(
    store: RecordStore, server: Cms, tmp_path: Path
) -> None:
    core = web_service(
        lambda asked: Reply(status=503 if asked.path == "/api/services" else 200, content={})
    )
    with core as asked:
        variables = {"CORE_URL": f"{asked.url}/", "ORCHESTRATOR_DATA_DIR": str(tmp_path)}
        alone = await Copy(store, load_settings(variables)).update_cache({})
        both = Copy(store, load_settings({**variables, "CMS_URL": server.url}))
        updated = await both.update_cache(await both.fetch())

    assert ["/api/config/public", "/api/health", "/api/services"] * 2 == [
        *sorted(one.path for one in asked.asked[:3]),
        *sorted(one.path for one in asked.asked[3:]),
    ]
    assert (2, 3) == (alone["cacheUpdated"], alone["totalEndpoints"])
    assert {"core/health": True, "core/services": False, "core/config/public": True} == {
        one["name"]: one["cached"] for one in alone["details"]
    }
    assert "it answered 503" == alone["details"][1]["error"]
    assert (6, 7) == (updated["cacheUpdated"], updated["totalEndpoints"])
    assert [{"id": 1}, {"id": 2}] == both.shown("services")


async def test_the_cms_gets_its_token(store: RecordStore, server: Cms, tmp_path: Path) -> None:
    settings = load_settings(
        {"CMS_URL": server.url, "CMS_TOKEN": "of-the-cms", "ORCHESTRATOR_DATA_DIR": str(tmp_path)}
    )

    await Copy(store, settings).fetch()

    assert {"Bearer of-the-cms"} == {one.headers["authorization"] for one in server.service.asked}
    assert "of-the-cms" not in repr(settings.operations)
