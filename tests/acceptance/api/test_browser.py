"""Pages in a real browser: what a foreign one can do to the servers of this machine, and that their
own ones work.
"""

import json
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from uuid import UUID

import httpx
import pytest
from prefect import flow
from prefect.client.orchestration import get_client
from prefect.settings import PREFECT_API_URL, temporary_settings
from prefect.states import Paused

from blocks.contracts.records import ApprovalRecord
from blocks.prefect_blocks import save_blocks
from blocks.settings import load_settings
from tests.support.api.approval_links import SECRET, a_token
from tests.support.api.credentials import a_token as jwt_of
from tests.support.api.credentials import as_user
from tests.support.api.foreign_pages import (
    GETS,
    Places,
    embedded,
    fetched,
    foreign_places,
    posts,
    submitted,
)
from tests.support.api.served_api import served_api
from tests.support.factories import A_TENANT, an_approval
from tests.support.servers.browser import FOREIGN_HOST, Browser, Page, a_browser
from tests.support.servers.prefect_server import PrefectServer
from tests.support.waiting import eventually

pytestmark = pytest.mark.long

PASSWORD, BLOCK = "hunter2-and-more", "operators"
ORIGINS = Places.__struct_fields__


@pytest.fixture(scope="module")
def prefect(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PrefectServer]:
    server = PrefectServer(tmp_path_factory.mktemp("prefect"), with_ui=True)
    try:
        server.start()
        yield server
    finally:
        server.close()


@pytest.fixture(scope="module")
async def browser(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Browser]:
    async with a_browser(tmp_path_factory.mktemp("browser")) as browser:
        yield browser


@pytest.fixture(scope="module")
def places(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Places]:
    with foreign_places(tmp_path_factory.mktemp("pages")) as places:
        yield places


@flow
def waits() -> None:
    """Is never run; its runs are paused from the start."""


async def a_paused_run(server: PrefectServer) -> UUID:
    with temporary_settings({PREFECT_API_URL: server.api_url}):
        async with get_client() as client:
            await save_blocks(
                load_settings({"RABBITMQ_URL": f"amqp://us:{PASSWORD}@broker/"}), client, BLOCK
            )
            run = await client.create_flow_run(waits)
            await client.set_flow_run_state(run.id, Paused(timeout_seconds=3600), force=True)
            return run.id


async def is_paused(server: PrefectServer, run: UUID) -> bool:
    with temporary_settings({PREFECT_API_URL: server.api_url}):
        async with get_client() as client:
            state = (await client.read_flow_run(run)).state
            return state is not None and state.is_paused()


def statuses(page: Page, url: str) -> set[int]:
    """Of the answers that came from there."""
    return {status for received, status in page.received if received.startswith(url)}


@pytest.mark.parametrize("origin", ORIGINS)
async def test_a_foreign_page_reads_and_moves_nothing_of_prefect(
    prefect: PrefectServer, browser: Browser, places: Places, origin: str
) -> None:
    run, url = await a_paused_run(prefect), prefect.api_url
    async with browser.page(getattr(places, origin)) as page:
        answers = [
            *[
                await fetched(page, f"{url}/block_documents/filter", how)
                for how in posts({}).values()
            ],
            *[
                await fetched(page, f"{url}/block_types/slug/message-broker", how)
                for how in GETS.values()
            ],
            *[
                await fetched(page, f"{url}/flow_runs/{run}/resume", how)
                for how in posts({}).values()
            ],
            await fetched(page, f"{url}/flow_runs/{run}", "{method: 'DELETE'}"),
        ]
        await submitted(page, f"{url}/flow_runs/{run}/resume")
        for tag in ("iframe", "script", "img"):
            await embedded(page, tag, f"{url}/block_types/slug/message-broker")

        assert [] == [answer for answer in answers if answer.is_readable]
        assert {403} == statuses(page, url)
    assert await is_paused(prefect, run)


@pytest.mark.parametrize("origin", ORIGINS)
@pytest.mark.parametrize("mode", ["gateway", "jwt,api-key"])
async def test_a_foreign_page_reads_nothing_of_the_api_and_decides_no_approval(
    browser: Browser, places: Places, tmp_path: Path, origin: str, mode: str
) -> None:
    roles = "viewer,approver"
    async with served_api(
        tmp_path, AUTH_MODE=mode, AUTH_DEFAULT_ROLES=roles, APPROVAL_LINK_SECRET=SECRET
    ) as api:
        approval = (await api.store.create(A_TENANT, an_approval(execution_id=None))).record
        url = f"{api.url}/api/v1/hitl/approvals"
        async with browser.page(getattr(places, origin)) as page:
            answers = [
                await fetched(page, f"{url}/{path}", how)
                for path, body in decisions(approval.id).items()
                for how in [*posts(body).values(), in_a_users_name(body)]
            ]
            answers += [await fetched(page, url, how) for how in GETS.values()]
            for path in decisions(approval.id):
                await submitted(page, f"{url}/{path}")
            await embedded(page, "iframe", f"{api.url}/api/v1/hitl/links/{a_token(approval)}/page")

            assert [] == [answer for answer in answers if answer.is_readable]
            # to the browser's own question, and to all else
            assert {204, 401} == statuses(page, url)
        untouched = (await api.store.read(A_TENANT, ApprovalRecord, approval.id)).record
        assert approval == untouched
        assert 200 == await decided_without_a_page(f"{url}/{approval.id}/approve")


USER = {"X-Tenant-ID": A_TENANT, "X-User-ID": "ann", "X-User-Roles": "approver"}


def decisions(approval_id: str) -> dict[str, object]:
    """The bodies that decide it, by the paths that take them."""
    return {
        f"{approval_id}/approve": {"decidedBy": "ann"},
        f"{approval_id}/decisions": {"outcome": "approve", "decidedBy": "ann"},
        "decisions": {"decisions": [{"id": approval_id, "outcome": "approve", "decidedBy": "ann"}]},
    }


def in_a_users_name(body: object) -> str:
    headers, text = (
        json.dumps({"Content-Type": "application/json", **USER}),
        json.dumps(json.dumps(body)),
    )
    return f"{{method: 'POST', headers: {headers}, body: {text}}}"


async def decided_without_a_page(url: str) -> int:
    """The same request as a program of this machine sends it."""
    headers = USER | as_user(jwt_of("approver"))
    async with httpx.AsyncClient() as client:
        return (await client.post(url, json={"decidedBy": "ann"}, headers=headers)).status_code


async def test_a_name_that_is_rebound_to_this_machine_makes_no_page_prefects_own(
    prefect: PrefectServer, browser: Browser
) -> None:
    run, url = await a_paused_run(prefect), prefect.api_url.replace("127.0.0.1", FOREIGN_HOST)
    async with browser.page(f"{url}/health") as page:
        read = await fetched(page, f"{url}/block_types/slug/message-broker", "{}")
        resumed = await fetched(page, f"{url}/flow_runs/{run}/resume", posts({})["as JSON"])

        assert ([403, 403], {403}) == ([read.status, resumed.status], statuses(page, url))
    assert await is_paused(prefect, run)


async def test_prefects_own_pages_work_and_show_no_secret(
    prefect: PrefectServer, browser: Browser
) -> None:
    run, url = await a_paused_run(prefect), prefect.api_url
    async with browser.page(url.replace("/api", "/blocks")) as page:
        await eventually(lambda: shows(page, BLOCK), within_seconds=120)
        resumed = await fetched(page, f"{url}/flow_runs/{run}/resume", posts({})["as JSON"])
        read = await fetched(page, f"{url}/block_documents/filter", posts({})["as JSON"])

        assert PASSWORD not in await page.reads() + read.text
        assert BLOCK in read.text
        assert (True, 403 not in statuses(page, url)) == (resumed.is_readable, True)
    assert not await is_paused(prefect, run)


async def shows(page: Page, text: str) -> bool:
    return text in await page.reads()
