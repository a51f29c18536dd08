"""What services send is read as meant, or refused with a code: every field of every event that
comes in.
"""

import json
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from blocks.contracts.envelope import Event, decode_event
from blocks.contracts.events import CONSUMED
from blocks.contracts.reading.carriable import DEPTH_MAX
from blocks.contracts.reading.lenient import _kinds
from blocks.contracts.reading.normalised import OUR_ID
from blocks.contracts.rejections import OF_MESSAGES, Rejected

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
TENANT = "0b54c0f5-6f0a-4f4c-9d0e-2a3a30f3e001"
AN_ID = "3f2b1c0d-aaaa-4bbb-8ccc-abcdefabcdef"

REQUIRED: dict[str, Any] = {
    "opportunityId": "o-1",
    "riskScore": 0.5,
    "mlRiskScore": 0.5,
    "amount": 1,
    "job": "outcome-sync",
}
ODD_SPELLINGS: tuple[Any, ...] = (
    *(
        None,
        True,
        0,
        7,
        -1,
        7.5,
        10**30,
        10**400,
        "",
        "0.4",
        "7",
        "1e3",
        "NaN",
        "inf",
        "0,4",
        " 1",
        "x" * 300,
    ),
    *(
        AN_ID,
        AN_ID.upper(),
        f"urn:uuid:{AN_ID}",
        f"{{{AN_ID}}}",
        AN_ID.replace("-", ""),
        "\x00",
        "\u202e",
    ),
    *(
        "2026-01-01T00:00:00",
        "2026-01-01T00:00:60Z",
        "0001-01-01T00:00:00+05:00",
        "9999-12-31T23:59:59-05:00",
    ),
    *(
        "2026-01-01",
        "2026-01-01T00:00Z",
        "20260101T000000+0000",
        "yesterday",
        1_700_000_000,
        1_700_000_000_000,
    ),
    *([], {}, [None], [{"riskId": 1}], {"a": {"b": [1]}}),
)
FIELDS = [
    (event_type, name)
    for event_type, data in CONSUMED.items()
    for name in (*data.__struct_encode_fields__, "tenantId", "unknown")
]


def an_event(event_type: str, **data: Any) -> dict[str, Any]:
    needed = {name for name in REQUIRED if name in CONSUMED[event_type].__struct_encode_fields__}
    filled = {name: REQUIRED[name] for name in needed} | data
    return {"id": "e-1", "type": event_type, "tenantId": TENANT, "data": filled}


def decoded(event: dict[str, Any]) -> Event[Any]:
    return decode_event(json.dumps(event).encode(), received_at=NOW)


def read_or_refused(event: dict[str, Any]) -> Event[Any] | str:
    try:
        return decoded(event)
    except Rejected as refused:
        return refused.code


def field(event_type: str, name: str) -> Any:
    fields = {one.encode_name: one for one in msgspec.structs.fields(CONSUMED[event_type])}
    return fields[name]


def value(event: Event[Any], name: str) -> Any:
    return getattr(event.data, field(event.type, name).name)


def check_is_sound(event: Event[Any]) -> None:
    """What is behind the door is in UTC, in one spelling, and can be written down again."""
    for one in msgspec.structs.fields(type(event.data)):
        held = getattr(event.data, one.name)
        if isinstance(held, datetime):
            assert held.tzinfo is UTC
            assert (held - timedelta(days=300)) < (held + timedelta(days=300))
        if held and OUR_ID in getattr(one.type, "__metadata__", ()):
            assert held == held.lower()
    json.loads(msgspec.json.encode(event.data))


# --- the table ------------------------------------------------------------------------------------


@pytest.mark.parametrize(("event_type", "name"), FIELDS)
def test_each_field_in_any_spelling_is_read_soundly_or_refused_with_its_code(
    event_type: str, name: str
) -> None:
    for odd in ODD_SPELLINGS:
        read = read_or_refused(an_event(event_type, **{name: odd}))
        if isinstance(read, Event):
            check_is_sound(read)
        else:
            assert "schema-invalid" == read, (name, odd)


OF_TYPE = [
    (event_type, one.encode_name, _kinds(one.type), one.required)
    for event_type, data in CONSUMED.items()
    for one in msgspec.structs.fields(data)
]


@pytest.mark.parametrize(("event_type", "name", "kinds", "required"), OF_TYPE)
def test_null_is_the_same_as_nothing(
    event_type: str, name: str, kinds: set[Any], required: bool
) -> None:
    read = read_or_refused(an_event(event_type, **{name: None}))
    without = an_event(event_type)
    without["data"].pop(name, None)

    if required:
        assert "schema-invalid" == read == read_or_refused(without)
    else:
        assert isinstance(read, Event)
        assert decoded(without).data == read.data


@pytest.mark.parametrize(
    ("event_type", "name"), [(type_, name) for type_, name, kinds, _ in OF_TYPE if float in kinds]
)
def test_a_number_in_text_is_the_number(event_type: str, name: str) -> None:
    for text in ("0.4", "1", "0", "4e-1", "0.4000"):
        assert float(text) == value(decoded(an_event(event_type, **{name: text})), name)
    for text in (
        "",
        "NaN",
        "nan",
        "inf",
        "-Infinity",
        "0,4",
        " 0.4",
        "+0.4",
        ".4",
        "0x1",
        "1e999",
        "1_0",
        "٣",
    ):
        assert "schema-invalid" == read_or_refused(an_event(event_type, **{name: text})), text


FOREIGN_TEXTS = [
    (type_, name)
    for type_, name, kinds, _ in OF_TYPE
    if str in kinds and Any not in kinds and name not in {"workflowId", "tenantId", "approvalId"}
]


@pytest.mark.parametrize(("event_type", "name"), FOREIGN_TEXTS)
def test_a_whole_number_for_an_id_is_that_id_and_a_foreign_id_passes_unchanged(
    event_type: str, name: str
) -> None:
    assert "991" == value(decoded(an_event(event_type, **{name: 991})), name)
    assert AN_ID.upper() == value(decoded(an_event(event_type, **{name: AN_ID.upper()})), name)
    for odd in (9.5, 9.0, True, [7]):
        assert "schema-invalid" == read_or_refused(an_event(event_type, **{name: odd})), odd


OUR_IDS = [(type_, name) for type_, name, _, _ in OF_TYPE if name in {"workflowId", "approvalId"}]


@pytest.mark.parametrize(("event_type", "name"), OUR_IDS)
def test_an_id_of_ours_is_read_in_any_case_and_no_other_notation(
    event_type: str, name: str
) -> None:
    for spelled in (AN_ID, AN_ID.upper(), AN_ID.title(), AN_ID.swapcase()):
        assert AN_ID == value(decoded(an_event(event_type, **{name: spelled})), name)
    for odd in (
        f"urn:uuid:{AN_ID}",
        f"{{{AN_ID}}}",
        AN_ID.replace("-", ""),
        f"{AN_ID} ",
        f"urn:{uuid4().hex}",
        "x",
    ):
        assert "schema-invalid" == read_or_refused(an_event(event_type, **{name: odd})), odd


MOMENTS = [(type_, name) for type_, name, kinds, _ in OF_TYPE if datetime in kinds]
MEANT = datetime(2026, 3, 2, 9, 15, tzinfo=UTC)


@pytest.mark.parametrize(("event_type", "name"), MOMENTS)
def test_a_moment_is_in_utc_however_it_is_spelled(event_type: str, name: str) -> None:
    for spelled in (
        *(
            "2026-03-02T09:15:00Z",
            "2026-03-02T09:15:00",
            "2026-03-02 09:15:00",
            "2026-03-02T10:15:00+01:00",
        ),
        *(
            "2026-03-02T09:15Z",
            "20260302T091500Z",
            "2026-03-02T04:15:00-0500",
            "2026-03-02T09:15:00.000000000",
        ),
    ):
        read = value(decoded(an_event(event_type, **{name: spelled})), name)
        assert (MEANT, UTC) == (read, read.tzinfo), spelled
    for odd in (
        "0001-01-01T00:00:00+05:00",
        "9999-12-31T23:59:59-05:00",
        "2026-01-01T00:00:60Z",
        1_700_000_000,
        "",
    ):
        assert "schema-invalid" == read_or_refused(an_event(event_type, **{name: odd})), odd


def test_there_are_moments_and_ids_of_ours_to_look_at() -> None:
    assert {"requestedAt", "completedAt", "failedAt"} == {name for _, name in MOMENTS}
    assert 6 <= len([name for _, name in OUR_IDS if name == "workflowId"])


# --- the instances --------------------------------------------------------------------------------


def test_null_for_a_list_a_number_for_an_id_and_a_number_in_text_are_read() -> None:
    sent = {
        "detectedRisks": None,
        "evaluationId": 991,
        "riskScore": "0.4",
        "workflowId": AN_ID.upper(),
    }

    read = decoded(an_event("risk.evaluation.completed", **sent)).data

    assert (0.4, "991", AN_ID, []) == (
        read.risk_score,
        read.evaluation_id,
        read.workflow_id,
        read.detected_risks,
    )


@pytest.mark.parametrize("odd", [-0.1, 1.1, 85, "85", 1e300])
@pytest.mark.parametrize(
    ("event_type", "name"),
    [("risk.evaluation.completed", "riskScore"), ("risk.scoring.completed", "mlRiskScore")],
)
def test_a_risk_score_that_is_none_is_refused(event_type: str, name: str, odd: object) -> None:
    assert "schema-invalid" == read_or_refused(an_event(event_type, **{name: odd}))


def test_what_no_record_could_carry_is_refused() -> None:
    deep: list[Any] = []
    for _ in range(DEPTH_MAX + 5):
        deep = [deep]
    for odd in (deep, 10**30, [{"n": -(10**40)}]):
        assert "schema-invalid" == read_or_refused(
            an_event("forecast.completed", revenueForecast=odd)
        )
    assert (
        decoded(an_event("forecast.completed", revenueForecast=2**63)).data.revenue_forecast
        == 2**63
    )


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"timestamp": "2026-03-02T09:15:00"}, ("timestamp", MEANT)),
        ({"timestamp": None}, ("timestamp", NOW)),
        ({"version": None}, ("source", "unknown")),
        ({"source": None}, ("source", "unknown")),
        ({"source": {"service": None}}, ("source", "unknown")),
        ({"metadata": None}, ("tenant_id", TENANT)),
        ({"id": 12}, ("id", "12")),
        ({"id": AN_ID.upper()}, ("id", AN_ID)),
    ],
)
def test_the_envelope_is_read_as_leniently(
    changes: dict[str, Any], expected: tuple[str, Any]
) -> None:
    event = decoded({**an_event("risk.evaluation.completed"), **changes})

    assert expected[1] == getattr(event, expected[0])


# --- anything -------------------------------------------------------------------------------------

JSON = st.recursive(
    st.sampled_from(ODD_SPELLINGS) | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3)
    ),
    max_leaves=6,
)


NAMES = sorted({name for data in CONSUMED.values() for name in data.__struct_encode_fields__})


# The examples are made slowly on a busy machine; what is tested takes microseconds.
@settings(max_examples=60, suppress_health_check=[HealthCheck.too_slow])
@given(st.sampled_from(sorted(CONSUMED)), st.dictionaries(st.sampled_from(NAMES), JSON, max_size=5))
def test_whatever_stands_in_the_data_is_read_soundly_or_refused_with_a_code(
    event_type: str, data: dict[str, Any]
) -> None:
    event = an_event(event_type, **data)
    read = read_or_refused(event)
    if isinstance(read, Event):
        check_is_sound(read)
    else:
        assert read in OF_MESSAGES
