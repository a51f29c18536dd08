"""A key that stands twice in one object: refused at the door of events and at that of bodies."""

import json
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any

import click
import pytest
from hypothesis import given
from hypothesis import strategies as st

from blocks.clock import utc_now
from blocks.contracts.envelope import decode_event
from blocks.contracts.jobs import InvalidTrigger
from blocks.contracts.reading.repeated_keys import RepeatedKey, refuse_repeated_keys
from blocks.contracts.rejections import MALFORMED_JSON, Rejected
from blocks.json_text import read_json, read_json_object
from deployments.cli.actions.approvals import read_form as approval_form
from deployments.cli.actions.event_file import read_event
from deployments.cli.actions.executions import read_input as execution_input
from flows.batch_job import _json_object as job_metadata
from tests.support.api.api_client import Api, an_api
from tests.support.factories import A_TENANT

REPEATED = (
    '"amount":2000000,"amount":5',
    '"amount":5,"amount":5',
    '"amount":2000000,"x":[],"x":{},"amount":5',
    r'"\u0061mount":2000000,"amount":5',
    r'"amount":2000000,"amoun\u0074":5',
    r'"\ud83d\ude00":1,"\U0001f600":2'.replace("\\U0001f600", "\U0001f600"),
    '"":1,"":2',
    '"changes":{"Amount":2000000,"Amount":5}',
    '"changes":{"Amount":{"new":2000000,"new":5}}',
    '"changes":[{"field":"Amount","new":2000000,"new":5}]',
    '"metadata":{"amount":2000000},"amount":5,"metadata":{}',
    '"x":' + '{"data":[' * 30 + '{"a":1,"a":2}' + "]}" * 30,
)
ONCE = (
    '"amount":5',
    '"amount":5,"Amount":5',
    '"changes":[{"field":"Amount","new":5},{"field":"Stage","new":5}]',
    '"changes":{"a":{"new":5},"b":{"new":5}},"text":"{\\"a\\":1,\\"a\\":2}"',
)


@pytest.fixture(scope="module")
async def api(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Api]:
    async with an_api(tmp_path_factory.mktemp("api")) as api:
        yield api


def event_with(fields: str) -> bytes:
    kind = "integration.opportunity.updated"
    head = f'{{"id":"e","type":"{kind}","tenantId":"{A_TENANT}","data":{{"opportunityId":"o",'
    return (head + fields + "}}").encode()


@pytest.mark.parametrize("fields", REPEATED)
def test_an_event_with_a_repeated_key_is_malformed(fields: str) -> None:
    with pytest.raises(Rejected) as refused:
        decode_event(event_with(fields), received_at=utc_now())

    assert MALFORMED_JSON == refused.value.code
    assert "stands twice" in str(refused.value)


@pytest.mark.parametrize("named", ["id", "type", "tenantId", "data"])
def test_a_repeated_field_of_the_envelope_is_malformed(named: str) -> None:
    whole = event_with('"amount":5')
    value = json.dumps(json.loads(whole)[named])

    with pytest.raises(Rejected) as refused:
        decode_event(whole[:-1] + f',"{named}":{value}}}'.encode(), received_at=utc_now())

    assert MALFORMED_JSON == refused.value.code


@pytest.mark.parametrize("fields", ONCE)
def test_keys_that_stand_once_each_are_read(fields: str) -> None:
    assert "e" == decode_event(event_with(fields), received_at=utc_now()).id


@pytest.mark.parametrize("fields", REPEATED)
async def test_a_body_with_a_repeated_key_is_an_invalid_request(api: Api, fields: str) -> None:
    answer = await started(api, f'"input":{{{fields}}}')

    assert (400, "VALIDATION_ERROR") == (answer.status_code, answer.json()["error"]["code"])
    assert "stands twice" in answer.text


async def test_a_repeated_field_of_a_body_is_an_invalid_request(api: Api) -> None:
    answer = await started(api, r'"input":{"amount":2000000},"inpu\u0074":{"amount":5}')

    assert (400, "VALIDATION_ERROR") == (answer.status_code, answer.json()["error"]["code"])


@pytest.mark.parametrize("fields", ONCE)
async def test_a_body_whose_keys_stand_once_is_read(api: Api, fields: str) -> None:
    assert 201 == (await started(api, f'"input":{{{fields}}}')).status_code


async def started(api: Api, fields: str) -> Any:
    body = '{"workflow":"opportunity-analysis","subject":"o",' + fields + "}"
    headers = {"X-Tenant-ID": A_TENANT, "Content-Type": "application/json"}
    return await api.client.post("/api/v1/executions", content=body.encode(), headers=headers)


def refused_by(read: Callable[[str], object], text: str) -> str:
    with pytest.raises((ValueError, click.BadParameter, Rejected, InvalidTrigger)) as refused:
        read(text)
    return str(refused.value)


TYPED: Mapping[str, Callable[[str], object]] = {
    "executions start --input": execution_input,
    "approvals approve --form": approval_form,
    "emit FILE": lambda text: read_event(text.encode(), name="FILE"),
    "a job's metadata in Prefect": job_metadata,
}


@pytest.mark.parametrize("read", TYPED.values(), ids=TYPED)
@pytest.mark.parametrize("fields", REPEATED)
def test_a_repeated_key_is_refused_wherever_a_person_gives_json(
    read: Callable[[str], object], fields: str
) -> None:
    assert "stands twice in one object" in refused_by(read, f"{{{fields}}}")


@pytest.mark.parametrize("fields", ONCE)
def test_what_a_person_writes_once_is_read(fields: str) -> None:
    assert json.loads(f"{{{fields}}}") == read_json_object(f"{{{fields}}}")


@pytest.mark.parametrize(
    "text", ["[" * 5000, "[" * 101 + "]" * 101, "", "{", "nul", "{}{}", '{"a":1' + "0" * 5000 + "}"]
)
def test_json_that_is_none_or_too_deep_is_a_sentence(text: str) -> None:
    with pytest.raises(ValueError, match=r".{10}"):
        read_json(text)


VALUES = st.recursive(
    st.none() | st.integers() | st.text(max_size=3),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3)
    ),
    max_leaves=12,
)


@given(VALUES, st.text(max_size=5), VALUES)
def test_whatever_is_written_once_passes_and_the_same_key_again_does_not(
    before: Any, key: str, value: Any
) -> None:
    once = json.dumps({key: value, "list": [before]}) if key != "list" else json.dumps({key: value})
    again = once[:-1] + "," + json.dumps(key, ensure_ascii=False) + ":0}"

    refuse_repeated_keys(once.encode())
    read_json(once)
    with pytest.raises(RepeatedKey):
        refuse_repeated_keys(f"[{again}]".encode("utf-8", "surrogatepass"))
