"""Nothing behind a door meets a moment without a time zone, or one that cannot be reckoned with."""

import importlib
import pkgutil
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any, get_args

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

import api
import blocks
import deployments
import flows
import listeners
from api.approvals.documents import Extension
from api.http.parameters import Bound
from api.sockets import payloads
from blocks.contracts.reading.moments import EARLIEST, LATEST, in_utc, in_utc_within_limits
from blocks.contracts.reading.normalised import Normalised, reading
from blocks.contracts.records import ExecutionRecord
from blocks.dead_letters.letters import letter_of
from blocks.ports import Message
from tests.support.factories import A_TENANT, an_execution

NEVER_DECODED = {
    *(
        "Backup",
        "Cursor",
        "ListedWorkflow",
        "Entry",
        "JobRequest",
        "Event",
        "WireEnvelope",
        "Figures",
        "LetterFilter",
        "Now",
        "Scheduled",
        "Between",
        "Tick",
    ),
    *(
        "FlowRunView",
        "Message",
        "PhaseStep",
        "PromptFact",
        "Family",
        "Report",
        "Rotated",
        "UpcomingTick",
        "_Gathered",
        "_Sighting",
        "_Span",
    ),
}
"""Made by our own code, from moments that were read elsewhere."""

OFFSETS = st.integers(-23 * 60, 23 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes)))
MOMENTS = st.datetimes(timezones=st.none() | st.just(UTC) | OFFSETS)


@given(MOMENTS)
def test_any_moment_is_in_utc_and_can_be_reckoned_with_or_is_refused(moment: datetime) -> None:
    try:
        read = in_utc(moment)
    except ValueError:
        aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
        assert not EARLIEST <= aware < LATEST
        return
    assert read.tzinfo is UTC
    assert read == (moment if moment.tzinfo else moment.replace(tzinfo=UTC))
    assert read - timedelta(days=365) < read < read + timedelta(days=365)


@given(MOMENTS)
def test_any_bound_of_a_search_is_in_utc(moment: datetime) -> None:
    stated = moment.isoformat()
    read = Bound.read(stated).at

    assert in_utc_within_limits(moment) == read == Bound.read(stated.replace("+", " ")).at
    assert read.tzinfo is UTC


@given(MOMENTS)
def test_the_bound_of_a_replay_is_in_utc(moment: datetime) -> None:
    asked = payloads.read(({"syncId": "s", "since": moment.isoformat()},), payloads.Subscribe)

    assert in_utc_within_limits(moment) == asked.since_moment == asked.since
    assert asked.since_moment is not None
    assert UTC is asked.since_moment.tzinfo


@given(MOMENTS)
def test_a_body_over_http_has_its_moments_in_utc_or_is_refused(moment: datetime) -> None:
    body = msgspec.json.encode({"expiresAt": moment.isoformat()})
    try:
        read = msgspec.json.decode(body, type=Extension).expires_at
    except msgspec.ValidationError:
        return
    assert read.tzinfo is UTC


async def test_records_of_before_that_hold_naive_moments_are_read_in_utc(tmp_path: Path) -> None:
    naive = an_execution().created_at.isoformat()[:19]
    stored = msgspec.to_builtins(an_execution()) | {"startedAt": naive, "completedAt": naive}
    stored["triggers"][0]["receivedAt"] = naive
    for read in (
        msgspec.json.decode(msgspec.json.encode(stored), type=ExecutionRecord),
        msgspec.convert(stored, ExecutionRecord),
    ):
        assert {UTC} == {
            moment.tzinfo
            for moment in (
                read.created_at,
                read.started_at,
                read.completed_at,
                read.triggers[0].received_at,
            )
            if moment
        }


@pytest.mark.parametrize(
    "odd", ["0001-01-01T00:00:00+05:00", "9999-12-31T23:59:59-05:00", "2026-01-01T00:00:00"]
)
def test_a_dead_letter_of_any_moment_can_be_kept(odd: str) -> None:
    moment = datetime.fromisoformat(odd)
    message = Message(
        id="m", routing_key="r", body=b"{", timestamp=moment, headers={"x-rejected-at": odd}
    )

    letter = letter_of("q", message)

    assert {UTC} == {
        letter.published_at.tzinfo,
        letter.rejected_at.tzinfo,
        letter.created_at.tzinfo,
    }


# --- the kind -------------------------------------------------------------------------------------


def structs() -> Iterator[type[msgspec.Struct]]:
    """Every Struct of the product."""
    for package in (api, blocks, deployments, flows, listeners):
        for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            if not module.name.endswith("__main__"):
                importlib.import_module(module.name)
    pending: list[type[msgspec.Struct]] = [msgspec.Struct]
    while pending:
        kind = pending.pop()
        pending += kind.__subclasses__()
        # Litestar makes a Struct of every route's arguments; those moments are `Bound`.
        is_ours = kind.__module__.partition(".")[0] in {
            "api",
            "blocks",
            "deployments",
            "flows",
            "listeners",
        }
        if is_ours and not kind.__name__.endswith("_signature_model"):
            yield kind


def holds_moments(kind: Any) -> bool:
    return kind is datetime or any(
        holds_moments(one) for one in get_args(kind) if not isinstance(one, msgspec.Meta)
    )


def test_whatever_decodes_a_moment_normalises_it() -> None:
    unread = {
        f"{kind.__name__}.{field.name}"
        for kind in structs()
        if issubclass(kind, Normalised)
        for field in msgspec.structs.fields(kind)
        if holds_moments(field.type) and reading(field.type) is None
    }
    bare = {
        kind.__name__
        for kind in structs()
        if not issubclass(kind, Normalised)
        and any(holds_moments(field.type) for field in msgspec.structs.fields(kind))
    }

    assert set() == unread
    assert NEVER_DECODED == bare


@pytest.mark.parametrize("tenant", [A_TENANT])
def test_there_are_structs_to_look_at(tenant: str) -> None:
    assert len(list(structs())) > 100
