"""`GET /api/v1/executions/stream`, one look at a time (`seconds=0`); how it goes on is shown on a
real server.
"""

from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from prometheus_client import REGISTRY

from api.live.filters import Filters
from tests.support.api.api_client import Api, an_api
from tests.support.api.live import a_step_event, step_events
from tests.support.api.sse import Sent, messages_in
from tests.support.factories import A_TENANT, ANOTHER_TENANT, an_execution

PATH = "/api/v1/executions/stream"


@pytest.fixture(scope="module")
async def api(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Api]:
    async with an_api(
        tmp_path_factory.mktemp("api"), LIVE_CLIENTS_PER_TENANT="2", LIVE_CLIENTS_MAX="3"
    ) as api:
        yield api


async def look(
    api: Api, after: str = "", tenant_id: str = A_TENANT, **query: Any
) -> httpx.Response:
    headers = {"X-Tenant-ID": tenant_id} | ({"Last-Event-ID": after} if after else {})
    return await api.client.get(PATH, params={"seconds": 0, **query}, headers=headers)


async def where(api: Api) -> str:
    """An id to go on behind."""
    return events_of(await look(api))[-1].id or ""


def events_of(response: httpx.Response) -> list[Sent]:
    assert 200 == response.status_code, response.text
    return messages_in(response.text)


async def test_a_stream_says_first_how_soon_to_come_back_and_where_it_stands(api: Api) -> None:
    response = await look(api)

    retry, heartbeat = events_of(response)
    assert "text/event-stream; charset=utf-8" == response.headers["content-type"]
    assert "no" == response.headers["x-accel-buffering"]
    assert (2000, "heartbeat", None) == (retry.retry, heartbeat.comment, heartbeat.data)
    assert heartbeat.id


async def test_an_event_is_sent_with_its_type_an_id_and_what_it_is_about(api: Api) -> None:
    after = await where(api)
    execution = an_execution()
    api.hub.on_event(message := a_step_event(execution))

    [_, sent] = events_of(await look(api, after))

    assert "workflow.step.completed" == sent.event == sent.data["type"]
    assert (message.id, A_TENANT) == (sent.data["eventId"], sent.data["tenantId"])
    assert (execution.id, execution.workflow, execution.subject) == (
        sent.data["executionId"],
        sent.data["workflow"],
        sent.data["subject"],
    )
    assert (execution.id, "forecast") == (
        sent.data["data"]["workflowId"],
        sent.data["data"]["stepType"],
    )
    assert sent.id
    assert sent.id != after


async def test_who_goes_on_behind_an_id_is_sent_what_came_after_it_and_of_no_other_tenant(
    api: Api,
) -> None:
    after = await where(api)
    messages = step_events(200)
    for message in messages:
        api.hub.on_event(message)
        api.hub.on_event(a_step_event(tenant_id=ANOTHER_TENANT))

    sent = [event for event in events_of(await look(api, after)) if event.data]
    again = [event for event in events_of(await look(api, sent[99].id or "")) if event.data]

    assert [message.id for message in messages] == [event.data["eventId"] for event in sent]
    assert sent[100:] == again


async def test_filters_are_those_of_the_list(api: Api) -> None:
    after = await where(api)
    one, another = an_execution(), an_execution()
    for execution in (one, another):
        api.hub.on_event(a_step_event(execution))

    for query in ({"executionId": one.id}, {"subject": one.subject}):
        sent = [
            event.data["executionId"]
            for event in events_of(await look(api, after, **query))
            if event.data
        ]

        assert [one.id] == sent


async def test_where_not_everything_is_known_the_stream_says_so_and_what_to_read(api: Api) -> None:
    after = await where(api)
    api.hub.on_gap()

    [_, resync, *_] = events_of(await look(api, after))

    assert ("resync", "/api/v1/executions") == (resync.event, resync.data["read"])
    assert [None] == [
        event.data for event in events_of(await look(api, resync.id or "")) if not event.retry
    ]


@pytest.mark.parametrize(
    ("query", "field"),
    [({"types": "nothing"}, "types"), ({"seconds": -1}, "seconds"), ({"workflow": ""}, "workflow")],
)
async def test_a_bad_parameter_is_named(api: Api, query: dict[str, Any], field: str) -> None:
    response = await look(api, **query)

    assert 400 == response.status_code
    assert [field] == [problem["field"] for problem in response.json()["error"]["details"]]


async def test_an_id_of_another_tenant_is_none(api: Api) -> None:
    response = await look(api, await where(api), ANOTHER_TENANT)

    assert (400, "Last-Event-ID") == (
        response.status_code,
        response.json()["error"]["details"][0]["field"],
    )


async def test_a_stream_that_has_ended_takes_no_place(api: Api) -> None:
    for _ in range(5):
        assert 200 == (await look(api)).status_code


async def test_how_long_a_client_listens_is_not_how_long_we_take(api: Api) -> None:
    def measured_seconds() -> float:
        labels = {"method": "GET", "route": PATH}
        return REGISTRY.get_sample_value("http_request_duration_seconds_sum", labels) or 0.0

    before = measured_seconds()
    answer = await api.client.get(PATH, params={"seconds": 1}, headers={"X-Tenant-ID": A_TENANT})

    assert answer.elapsed.total_seconds() >= 1.0
    assert measured_seconds() - before < 1.0


async def test_more_clients_than_may_are_refused_and_get_a_retry_after(api: Api) -> None:
    for _ in range(2):
        api.hub.admit(A_TENANT, Filters())
    too_many_of_the_tenant = await look(api)
    api.hub.admit(ANOTHER_TENANT, Filters())
    too_many = await look(api, tenant_id=ANOTHER_TENANT)

    assert [(429, "TOO_MANY_STREAMS", "5"), (503, "NO_STREAM_FREE", "5")] == [
        (answer.status_code, answer.json()["error"]["code"], answer.headers["retry-after"])
        for answer in (too_many_of_the_tenant, too_many)
    ]
