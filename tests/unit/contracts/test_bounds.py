"""Every number and moment that comes from outside has a lower and an upper bound, in its type."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click
import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from litestar import Litestar
from msgspec import inspect

from blocks.contracts.definitions import WantedDefinition
from blocks.contracts.envelope import decode_event
from blocks.contracts.events import CONSUMED
from blocks.contracts.jobs import JOB_BY_ID, InvalidTrigger, checked_metadata
from blocks.contracts.reading.limits import SPAN_SECONDS_MAX
from blocks.contracts.reading.normalised import Normalised
from blocks.contracts.rejections import Rejected
from blocks.settings import Settings
from deployments.cli.app import cli
from tests.support.api.api_client import an_api
from tests.support.api.documents import request_bodies
from tests.support.factories import A_TENANT, new_id

Unbounded = Iterator[tuple[str, str]]


@pytest.fixture
async def app(tmp_path: Path) -> Litestar:
    async with an_api(tmp_path) as api:
        return api.app


async def test_every_number_of_a_request_body_is_bounded(app: Litestar) -> None:
    bodies = list(request_bodies(app))

    assert len(bodies) > 10
    assert [] == sorted({one for body in bodies for one in _unbounded(body)})


@pytest.mark.parametrize("event_type", CONSUMED)
def test_every_number_of_a_consumed_event_is_bounded(event_type: str) -> None:
    assert [] == list(_unbounded(CONSUMED[event_type]))


def test_every_number_of_the_settings_is_bounded() -> None:
    assert [] == list(_unbounded(Settings))


async def test_every_number_of_a_query_is_bounded(app: Litestar) -> None:
    document = app.openapi_schema.to_schema()
    parameters = [
        (path, parameter["name"], parameter["schema"])
        for path, item in document["paths"].items()
        for operation in item.values()
        for parameter in operation.get("parameters", ())
        if parameter["schema"].get("type") in ("integer", "number")
    ]

    assert len(parameters) > 3
    assert [] == [one for one in parameters if not {"minimum", "maximum"} <= one[2].keys()]


def test_every_number_of_the_command_line_is_bounded() -> None:
    options = [(command.name, option) for command in _commands(cli) for option in command.params]

    numbers = [(name, option) for name, option in options if isinstance(option.type, _NUMBERS)]
    assert len(numbers) > 8
    assert [] == [
        (name, option.name) for name, option in numbers if not _has_both_ends(option.type)
    ]


async def test_every_body_that_names_a_moment_checks_its_year(app: Litestar) -> None:
    timed = {body for body in request_bodies(app) if _names_a_moment(inspect.type_info(body))}

    assert timed
    assert {body for body in timed if issubclass(body, Normalised)} == timed


@pytest.mark.parametrize("seconds", [1e15, 1e300, 0, -1, SPAN_SECONDS_MAX * 1.01])
@pytest.mark.parametrize("field", ["expiresAfterSeconds", "dueAfterSeconds"])
def test_no_rule_expires_beyond_every_calendar(field: str, seconds: float) -> None:
    with pytest.raises(msgspec.ValidationError, match=field):
        msgspec.convert({"approval": {field: seconds}}, WantedDefinition)


@given(st.floats(allow_nan=True, allow_infinity=True))
@settings(max_examples=200)
def test_any_number_of_seconds_is_refused_or_can_be_added_to_any_moment(seconds: float) -> None:
    document = {"remindAfterSeconds": [seconds], "expiresAfterSeconds": seconds}
    try:
        rule = msgspec.convert({"approval": document}, WantedDefinition).approval
    except msgspec.ValidationError:
        return
    assert rule
    assert rule.expires_after_seconds
    assert (
        datetime(2199, 12, 31, tzinfo=UTC).timestamp() + rule.expires_after_seconds
        < datetime.max.timestamp()
    )


@pytest.mark.parametrize(
    "moment", ["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00", "1899-12-31T00:00:00Z"]
)
@pytest.mark.parametrize("field", ["dueAt", "expiresAt", "reminders", "escalations"])
async def test_a_moment_beyond_all_arithmetic_is_a_field_that_is_refused(
    tmp_path: Path, field: str, moment: str
) -> None:
    value = {"reminders": [moment], "escalations": [{"at": moment, "approvers": {}}]}.get(
        field, moment
    )

    async with an_api(tmp_path) as api:
        answer = await api.send("POST", "/api/v1/hitl/approvals", {"subject": "s", field: value})

    assert 400 == answer.status_code, answer.text
    assert "1900" in answer.text


def test_an_event_with_a_moment_beyond_all_arithmetic_is_refused() -> None:
    data = {"job": "outcome-sync", "completedAt": "0001-01-01T00:00:00+14:00"}

    with pytest.raises(Rejected, match="1900"):
        decode_event(_event("workflow.job.completed", data), received_at=datetime.now(UTC))


def test_an_event_from_beyond_all_arithmetic_is_refused() -> None:
    body = _event("workflow.job.completed", {"job": "outcome-sync"}, "0001-01-01T00:00:00+14:00")

    with pytest.raises(Rejected, match="1900"):
        decode_event(body, received_at=datetime.now(UTC))


@pytest.mark.parametrize("day", ["0001-01-01", "9999-12-31"])
def test_a_job_is_not_triggered_for_days_beyond_all_arithmetic(day: str) -> None:
    with pytest.raises(InvalidTrigger, match="from"):
        checked_metadata(JOB_BY_ID["risk-snapshot-backfill"], {"from": day, "to": day})


# --- what is looked at ----------------------------------------------------------------------------

_NUMBERS = (click.types.IntParamType, click.types.FloatParamType, click.IntRange, click.FloatRange)


def _has_both_ends(kind: click.ParamType[Any]) -> bool:
    return isinstance(kind, click.IntRange | click.FloatRange) and None not in (kind.min, kind.max)


def _commands(command: click.Command) -> Iterator[click.Command]:
    yield command
    if isinstance(command, click.Group):
        for name in command.list_commands(click.Context(command)):
            found = command.get_command(click.Context(command), name)
            assert found
            yield from _commands(found)


def _unbounded(struct: type[msgspec.Struct]) -> Unbounded:
    yield from _unbounded_in(inspect.type_info(struct), struct.__name__, "", set())


def _unbounded_in(info: Any, struct: str, field: str, seen: set[type]) -> Unbounded:
    match info:
        case inspect.Metadata(type=inner):
            yield from _unbounded_in(inner, struct, field, seen)
        case inspect.IntType() | inspect.FloatType():
            if (info.ge is None and info.gt is None) or (info.le is None and info.lt is None):
                yield struct, field
        case inspect.StructType(cls=cls) if cls not in seen:
            seen.add(cls)
            for one in info.fields:
                yield from _unbounded_in(one.type, cls.__name__, one.name, seen)
        case inspect.UnionType(types=types):
            for member in types:
                yield from _unbounded_in(member, struct, field, seen)
        case (
            inspect.ListType(item_type=item)
            | inspect.VarTupleType(item_type=item)
            | inspect.SetType(item_type=item)
        ):
            yield from _unbounded_in(item, struct, field, seen)
        case inspect.DictType(value_type=value):
            yield from _unbounded_in(value, struct, field, seen)


def _names_a_moment(info: Any) -> bool:
    match info:
        case inspect.Metadata(type=inner):
            return _names_a_moment(inner)
        case inspect.DateTimeType():
            return True
        case inspect.StructType():
            return any(_names_a_moment(one.type) for one in info.fields)
        case inspect.UnionType(types=types):
            return any(_names_a_moment(one) for one in types)
        case inspect.ListType(item_type=item) | inspect.VarTupleType(item_type=item):
            return _names_a_moment(item)
    return False


def _event(event_type: str, data: dict[str, Any], timestamp: str = "2026-03-02T12:00:00Z") -> bytes:
    envelope = {
        "id": new_id(),
        "type": event_type,
        "version": "1.0.0",
        "timestamp": timestamp,
        "tenantId": A_TENANT,
        "source": "tests",
        "data": data,
    }
    return msgspec.json.encode(envelope)
