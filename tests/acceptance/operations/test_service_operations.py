"""Operations that work with services of the platform, on the embedded stack."""

import json
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from blocks.contracts.operations.catalogue import CMS_SYNC
from tests.support.notifications.comms_hub import CommsHub, comms_hub
from tests.support.operations.cms import Cms, running_cms
from tests.support.operations.prefect_runs import run_by_hand
from tests.support.servers.prefect_server import PrefectServer
from tests.support.system.orchestra import Orchestra, whole_orchestra

pytestmark = pytest.mark.long

OPERATORS = "operators@platform.example"


@pytest.fixture
def hub() -> Iterator[CommsHub]:
    with comms_hub() as hub:
        yield hub


@pytest.fixture
def cms() -> Iterator[Cms]:
    with running_cms() as cms:
        yield cms


@pytest.fixture
async def parts(
    tmp_path: Path, prefect_server: PrefectServer, hub: CommsHub, cms: Cms
) -> AsyncIterator[Orchestra]:
    async with whole_orchestra(
        tmp_path,
        prefect_server,
        ALERT_EMAIL=OPERATORS,
        COMMS_HUB_URL=hub.url,
        CMS_URL=cms.url,
        CMS_SYNC_FILES_URL=str(tmp_path / "cms"),
        OPERATIONS_ENABLED="false",
        PREFECT_WORKER_QUERY_SECONDS="0.5",
    ) as parts:
        parts.worker.start()
        yield parts


async def test_a_change_of_the_cms_is_fetched_shown_and_notified_of_once(
    parts: Orchestra, cms: Cms, hub: CommsHub, tmp_path: Path
) -> None:
    first = await run_by_hand(parts, CMS_SYNC)
    second = await run_by_hand(parts, CMS_SYNC)

    assert ("completed", "completed") == (first.status, second.status)
    assert (4, 0) == tuple(
        (one.results or {})["fetch-cms"]["endpointsChanged"] for one in (first, second)
    )
    assert [False] * 4 + [True] * 4 == cms.statuses()
    assert [{"id": 1}, {"id": 2}] == json.loads((tmp_path / "cms/services.json").read_bytes())
    assert [(OPERATORS, "CMS content has changed: services, pages, menu, posts")] == [
        (message["recipient"], message["subject"]) for message in hub.messages
    ]
