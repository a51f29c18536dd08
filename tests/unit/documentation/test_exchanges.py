"""What the documents show is what is sent and received: every body, every answer, every header."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import httpx
import jsonschema
import pytest

from api.documentation.completed import operations
from api.documentation.headers import SENT, Place
from blocks.contracts.events import JsonObject
from blocks.ports import Queue, Throttled, Unavailable
from blocks.services import open_bus
from blocks.settings import load_settings
from blocks.topology import batch_jobs_queue, intake_queue
from tests.support.api.api_client import Api, an_api
from tests.support.api.credentials import a_token, as_user
from tests.support.api.every_route import A_QUEUE
from tests.support.api.exchanges import Exchange
from tests.support.factories import new_id
from tests.support.stores import FailingStore
from tests.unit.documentation.conftest import Documents

STANDING = {
    "cache-control",
    "connection",
    "content-length",
    "content-security-policy",
    "content-type",
    "cross-origin-resource-policy",
    "referrer-policy",
    "x-accel-buffering",
    "x-content-type-options",
    "x-frame-options",
}
"""On every answer of whatever server: not ours to document."""

SETTINGS: dict[str, Any] = {
    "APPROVAL_LINK_SECRET": "x" * 32,
    "AUTH_DEFAULT_ROLES": "none",
    "AUTH_FAILURES_PER_MINUTE": "1000000",
    "WEBHOOK_ALLOWED_HOSTS": "hooks.customer.example",
}


@pytest.fixture(scope="module")
async def busy(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Api]:
    """With the queues to which operations publish."""
    folder = tmp_path_factory.mktemp("exchanges")
    settings = load_settings({"ORCHESTRATOR_DATA_DIR": str(folder)})
    async with open_bus(settings, "test") as bus, an_api(folder, **SETTINGS) as api:
        queues = (intake_queue(settings), batch_jobs_queue(settings))
        await bus.declare(*queues, Queue(name=A_QUEUE, bindings=()))
        yield api


def every(documents: Documents) -> Iterator[Exchange]:
    for document in documents.values():
        for path, method, operation in operations(document):
            yield Exchange(document, path, method, operation)


# --- bodies and answers ---------------------------------------------------------------------------


async def test_what_is_shown_is_sent_and_answered_as_it_says(
    busy: Api, documents: Documents
) -> None:
    faults = []
    for exchange in every(documents):
        answer = await exchange.ask(busy, await exchange.subject(busy))
        fault = fault_in(exchange, answer) or header_fault(exchange, answer)
        if fault:
            faults.append(f"{exchange.name}: {answer.status_code} {fault}")

    assert [] == faults


async def test_what_is_known_is_not_sent_again(busy: Api, documents: Documents) -> None:
    faults, unchanged = [], 0
    for exchange in every(documents):
        if "304" in exchange.operation["responses"]:
            id = await exchange.subject(busy)
            etag = (await exchange.ask(busy, id)).headers["etag"]
            again = await exchange.ask(busy, id, **{"If-None-Match": etag})
            unchanged += again.status_code == 304
            fault = shape_fault(exchange, again) or header_fault(exchange, again)
            if fault:
                faults.append(f"{exchange.name}: {again.status_code} {fault}")

    assert ([], True) == (faults, unchanged > 20)


async def test_a_key_that_is_sent_again_is_answered_again(busy: Api, documents: Documents) -> None:
    faults, replayed = [], 0
    for exchange in every(documents):
        if "Idempotency-Key" in parameters(exchange):
            id, key = await exchange.subject(busy), {"Idempotency-Key": new_id()}
            first = await exchange.ask(busy, id, **key)
            again = await exchange.ask(busy, id, **key)
            assert first.status_code == again.status_code, exchange.name
            replayed += again.headers.get("idempotency-replayed") == "true"
            faults += [
                f"{exchange.name}: {fault}" for fault in [header_fault(exchange, again)] if fault
            ]

    assert ([], True) == (faults, replayed > 50)


# --- refusals -------------------------------------------------------------------------------------


@pytest.mark.parametrize("accept", ["application/json", "application/problem+json"])
@pytest.mark.parametrize("why", ["no credential", "a token of no issuer", "no role"])
async def test_who_may_not_is_answered_as_the_documents_say(
    busy: Api, documents: Documents, why: str, accept: str
) -> None:
    faults = []
    for exchange in every(documents):
        if exchange.operation.get("security") != [{}]:
            shown = {
                "no credential": {"Authorization": ""},
                "a token of no issuer": {"Authorization": "Bearer x.y.z"},
                "no role": as_user(a_token(tenant_id=exchange.tenant_id), exchange.tenant_id),
            }[why]
            answer = await exchange.ask(busy, new_id(), Accept=accept, **shown)
            assert accept == answer.headers["content-type"]
            expected = 403 if why == "no role" else 401
            fault = shape_fault(exchange, answer) or header_fault(exchange, answer)
            if fault or expected != answer.status_code:
                faults.append(f"{exchange.name}: {answer.status_code} {fault}")

    assert [] == faults


async def test_a_service_that_names_no_user_is_answered_as_the_documents_say(
    busy: Api, documents: Documents
) -> None:
    faults, unnamed = [], 0
    for exchange in every(documents):
        answer = await exchange.ask(busy, await exchange.subject(busy), **{"X-User-ID": ""})
        unnamed += answer.status_code == 401
        fault = shape_fault(exchange, answer) or header_fault(exchange, answer)
        if fault:
            faults.append(f"{exchange.name}: {answer.status_code} {fault}")

    assert ([], True) == (faults, unnamed > 20)


async def test_what_is_not_there_is_answered_as_the_documents_say(
    busy: Api, documents: Documents
) -> None:
    faults = []
    for exchange in every(documents):
        if "404" in exchange.operation["responses"]:
            answer = await exchange.ask(busy, new_id())
            fault = shape_fault(exchange, answer) or header_fault(exchange, answer)
            if fault:
                faults.append(f"{exchange.name}: {answer.status_code} {fault}")

    assert [] == faults


@pytest.mark.parametrize(
    "error", [Unavailable("away"), Throttled("busy", 2.0)], ids=lambda error: type(error).__name__
)
async def test_without_its_database_it_answers_as_the_documents_say(
    tmp_path: Path, documents: Documents, error: Exception
) -> None:
    faults = []
    async with an_api(tmp_path, store=FailingStore(error), **SETTINGS) as api:
        for exchange in every(documents):
            answer = await exchange.ask(api, new_id())
            fault = shape_fault(exchange, answer) or header_fault(exchange, answer)
            if fault:
                faults.append(f"{exchange.name}: {answer.status_code} {fault}")

    assert [] == faults


async def test_who_has_made_all_requests_is_answered_as_the_documents_say(
    tmp_path: Path, documents: Documents
) -> None:
    faults = []
    async with an_api(tmp_path, REQUESTS_PER_MINUTE="1", **SETTINGS) as api:
        limited = [one for one in every(documents) if one.operation.get("security") != [{}]]
        for exchange in [*limited, *limited[-1:]]:
            answer = await exchange.ask(api, new_id())
            fault = shape_fault(exchange, answer) or header_fault(exchange, answer)
            if fault:
                faults.append(f"{exchange.name}: {answer.status_code} {fault}")

    assert (429, []) == (answer.status_code, faults)


# --- what is compared -----------------------------------------------------------------------------


def parameters(exchange: Exchange) -> set[str]:
    return {parameter["name"] for parameter in exchange.operation.get("parameters", ())}


def fault_in(exchange: Exchange, answer: httpx.Response) -> str | None:
    """Of an answer that must be a success."""
    if answer.status_code >= 300:
        return answer.text
    return shape_fault(exchange, answer)


def shape_fault(exchange: Exchange, answer: httpx.Response) -> str | None:
    """The answer is not what its status is documented to be."""
    documented = exchange.operation["responses"].get(str(answer.status_code))
    if documented is None:
        return "is not documented"
    content = documented.get("content", {})
    kind = answer.headers.get("content-type", "").partition(";")[0]
    stated = {media.partition(";")[0] for media in content}
    if kind not in stated and (content or answer.content):
        return f"is {kind}, not {stated}"
    if kind.endswith("json"):
        schema = content[kind]["schema"] | {"components": exchange.document["components"]}
        try:
            jsonschema.validate(answer.json(), schema, jsonschema.Draft202012Validator)
        except jsonschema.ValidationError as error:
            return error.message
        return unknown_code(exchange, content[kind], answer)
    return None


def unknown_code(exchange: Exchange, content: JsonObject, answer: httpx.Response) -> str | None:
    """The error is none of the examples of its status."""
    body = answer.json()
    error = body.get("error", body) if answer.status_code >= 400 else None
    if not isinstance(error, dict):
        return None
    components = exchange.document["components"]["examples"]
    values = [components[name]["value"] for name in content["examples"]]
    shown = {value.get("error", value)["code"] for value in values}
    return None if error["code"] in shown else f"{error['code']} is none of {shown}"


def header_fault(exchange: Exchange, answer: httpx.Response) -> str | None:
    """What was sent and is not documented, or was promised and not sent."""
    response = exchange.operation["responses"].get(str(answer.status_code))
    if response is None:
        return "is not documented"
    place = Place(status=answer.status_code, operation=exchange.operation, response=response)
    documented = {name.lower() for name in response["headers"]}
    promised = {header.name.lower() for header in SENT if header.always(place)}
    sent = set(answer.headers) - STANDING
    if sent <= documented and promised <= sent:
        return None
    return f"sends {sorted(sent - documented)}, lacks {sorted(promised - sent)}"
