"""The list of executions: what it finds, and whose."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import pytest

from tests.support.api.api_client import Api
from tests.support.factories import A_TENANT, ANOTHER_TENANT, an_execution, new_id, now
from tests.support.pages.visitor import Visitor, signed_in

HTMX = {"HX-Request": "true"}


@pytest.fixture
async def ann(api: Api) -> AsyncIterator[Visitor]:
    async with signed_in(api.app, "viewer") as visitor:
        yield visitor


async def test_the_newest_comes_first(api: Api, ann: Visitor) -> None:
    await api.holds(
        an_execution(subject="older", created_at=now() - timedelta(hours=1)),
        an_execution(subject="newer"),
    )

    text = (await ann.open("/executions")).text

    assert text.index("newer") < text.index("older")


async def test_another_tenants_execution_does_not_show(api: Api, ann: Visitor) -> None:
    foreign = an_execution(subject="foreign", tenant_id=ANOTHER_TENANT)
    await api.holds(foreign, an_execution(subject="mine"))

    assert "foreign" not in (await ann.open("/executions")).text
    assert "foreign" not in (await ann.open(f"/executions?q={foreign.id}")).text


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("q=one", {"one"}),
        ("q=++one++", {"one"}),
        ("status=failed", {"two"}),
        ("status=open", {"one"}),
        ("workflow=batch-job", {"three"}),
        ("from=2026-03-02&to=2026-03-02", {"three"}),
        ("to=2026-03-01", set()),
        ("q=&workflow=&status=&from=&to=", {"one", "two", "three"}),
    ],
)
async def test_it_is_searched(api: Api, ann: Visitor, query: str, found: set[str]) -> None:
    await api.holds(
        an_execution(subject="one"),
        an_execution(subject="two", status="failed", completed_at=now()),
        an_execution(
            subject="three",
            status="completed",
            workflow="batch-job",
            created_at=datetime(2026, 3, 2, 23, 59, tzinfo=UTC),
        ),
    )

    words = set((await ann.open(f"/executions?{query}")).text.split())

    assert found == words & {"one", "two", "three"}


async def test_the_id_of_an_execution_opens_it(api: Api, ann: Visitor) -> None:
    execution = an_execution()
    await api.holds(execution)

    shown = await ann.open(f"/executions?q={execution.id.upper()}")

    assert f"/executions/{execution.id}" == shown.path


@pytest.mark.parametrize("query", ["status=lost", "from=yesterday"])
async def test_what_cannot_be_searched_for_is_named(ann: Visitor, query: str) -> None:
    shown = await ann.open(f"/executions?{query}")

    assert 400 == shown.status
    assert query.partition("=")[0] in shown.text


async def test_pages_keep_the_search(api: Api, ann: Visitor) -> None:
    await api.holds(*(an_execution(status="failed", completed_at=now()) for _ in range(26)))
    shown = await ann.open("/executions?status=failed")

    [following] = [link for link in shown.links() if "continuation=" in link]

    assert "status=failed" in following
    rest = await ann.open(following.replace("&amp;", "&"))
    assert 1 == sum(link.startswith("/executions/") for link in rest.links())


async def test_an_update_is_the_list_alone(api: Api, ann: Visitor) -> None:
    await api.holds(an_execution(subject="one"))

    part = (await ann.client.get("/executions", headers=HTMX)).text

    assert "one" in part
    assert "<html" not in part


async def test_an_empty_list_says_how_one_begins(ann: Visitor) -> None:
    shown = await ann.open("/executions")

    assert "No executions yet" in shown.text
    assert "/" in shown.links()


async def test_a_search_without_a_result_leads_to_all(ann: Visitor) -> None:
    shown = await ann.open(f"/executions?q={new_id()}")

    assert "Nothing found" in shown.text
    assert "/executions" in shown.links()


async def test_the_operations_of_the_platform_are_its_own(ann: Visitor) -> None:
    assert "Opportunity analysis" in (await ann.open("/executions")).text
    assert A_TENANT in (await ann.open("/executions")).text
    assert "audit-log" not in (await ann.open("/executions")).html
