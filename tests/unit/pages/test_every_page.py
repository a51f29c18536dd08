"""What holds for every page, whatever it shows."""

from collections.abc import AsyncIterator
from datetime import timedelta

import pytest

from api.pages.rendering import since
from api.pages.routes import PAGES
from blocks.contracts.roles import ROLES
from tests.support.api.api_client import Api, an_api
from tests.support.factories import an_approval, now
from tests.support.pages.visitor import Visitor, signed_in

HOSTILE = "<script>alert(1)</script>\"'><img src=x onerror=alert(1)>"
PATHS = [
    "/",
    "/inbox",
    "/executions",
    "/claims",
    "/workflows",
    "/dead-letters",
    "/stand-ins",
    "/settings",
    "/settings/definitions",
    "/audit",
]
"""Of each page without a record in its path."""
OF_PLATFORM = {"/events"}
"""Not a tenant's; test_events.py looks at it."""

WEIGHT_MAX = 100_000


@pytest.fixture
async def api(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Api]:
    async with an_api(tmp_path_factory.mktemp("api")) as api:
        await api.holds(an_approval(opportunity_id=HOSTILE, subject=HOSTILE, requested_by=HOSTILE))
        yield api


@pytest.fixture
async def visitor(api: Api) -> AsyncIterator[Visitor]:
    async with signed_in(api.app, *ROLES) as visitor:
        yield visitor


def test_the_list_of_paths_is_complete() -> None:
    readable = [page for page in PAGES if "GET" in page.http_methods]
    without_record = {path for page in readable for path in page.paths if "{" not in path}

    assert {*PATHS, *OF_PLATFORM} == without_record


@pytest.mark.parametrize("path", [*PATHS, "/login", "/no-such-page"])
async def test_nothing_runs_but_our_own_files(visitor: Visitor, path: str) -> None:
    shown = await visitor.open(path)

    policy = shown.response.headers["content-security-policy"]
    assert "script-src 'self'; style-src 'self'" in policy
    assert "unsafe" not in policy
    for tag, attributes in shown.tags:
        assert tag != "style"
        assert tag != "script" or (attributes["src"] or "").startswith("/assets/")
        assert not [name for name in attributes if name == "style" or name.startswith("on")]


@pytest.mark.parametrize("path", PATHS)
async def test_a_hostile_name_is_text(visitor: Visitor, path: str) -> None:
    shown = await visitor.open(path)

    assert shown.status == 200
    assert "<script>alert" not in shown.html
    assert "<img src=x" not in shown.html


@pytest.mark.parametrize("path", [*PATHS, "/login"])
async def test_the_first_view_weighs_little(visitor: Visitor, path: str) -> None:
    shown = await visitor.open(path)
    files = {
        attributes.get("src") or attributes.get("href") or ""
        for tag, attributes in shown.tags
        if tag in ("script", "link", "img")
    }

    answers = [await visitor.client.get(file) for file in sorted(files)]

    assert all("immutable" in answer.headers["cache-control"] for answer in answers)
    assert sum(len(answer.content) for answer in [shown.response, *answers]) < WEIGHT_MAX


@pytest.mark.parametrize("path", PATHS)
async def test_a_page_is_in_no_cache(visitor: Visitor, path: str) -> None:
    assert (await visitor.open(path)).response.headers["cache-control"] == "no-store"


@pytest.mark.parametrize(
    ("path", "place"), [("/", "/"), ("/executions", "/executions"), ("/audit", "/settings")]
)
async def test_the_navigation_names_the_place_of_a_page(
    visitor: Visitor, path: str, place: str
) -> None:
    shown = await visitor.open(path)

    current = [
        attributes["href"]
        for tag, attributes in shown.tags
        if tag == "a" and attributes.get("aria-current") == "page"
    ]
    assert place == current[0]


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (-5, "just now"),
        (30, "in a moment"),
        (-60, "1 minute ago"),
        (-7_199, "1 hour ago"),
        (7_260, "in 2 hours"),
        (-90_000, "yesterday"),
        (90_000, "tomorrow"),
        (-3 * 86_400, "3 days ago"),
    ],
)
def test_a_moment_is_said_as_the_script_says_it(seconds: float, words: str) -> None:
    """`Intl.RelativeTimeFormat("en", {numeric: "auto"})` in pages.js; other words would move what
    stands below them.
    """
    assert words == since(now() + timedelta(seconds=seconds))
