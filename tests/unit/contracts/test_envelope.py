"""The door for events: every known spelling comes in, everything else is refused with its code."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from blocks.contracts.envelope import (
    MAX_EVENT_BYTES,
    Event,
    UnknownEventType,
    decode_event,
    encode_event,
    glance,
)
from blocks.contracts.events import CONSUMED, IntegrationOpportunityUpdated, JobTrigger
from blocks.contracts.rejections import OF_MESSAGES, Rejected

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
TENANT = "0b54c0f5-6f0a-4f4c-9d0e-2a3a30f3e001"


def an_event(**changes: Any) -> dict[str, Any]:
    return {
        "id": "8b0a1b62-54f3-4f4e-8f57-8a4d6c3f0001",
        "type": "integration.opportunity.updated",
        "version": "1.0.0",
        "timestamp": "2026-01-01T00:00:00Z",
        "tenantId": TENANT,
        "source": "integration-manager",
        "data": {"opportunityId": "opportunity-1"},
        **changes,
    }


def decode(event: dict[str, Any]) -> Event[Any]:
    return decode_event(json.dumps(event).encode(), received_at=NOW)


def rejection(body: bytes) -> Rejected:
    with pytest.raises(Rejected) as refused:
        decode_event(body, received_at=NOW)
    return refused.value


def rejection_of(**changes: Any) -> Rejected:
    return rejection(json.dumps(an_event(**changes)).encode())


def test_an_event_comes_in_typed() -> None:
    event = decode(an_event())

    assert IntegrationOpportunityUpdated(opportunity_id="opportunity-1") == event.data
    assert (TENANT, "integration-manager") == (event.tenant_id, event.source)


def test_both_versions_are_accepted() -> None:
    assert decode(an_event(version="1.0")).data == decode(an_event(version="1.0.0")).data


def test_a_source_may_be_an_object() -> None:
    event = decode(
        an_event(source={"service": "integration-manager", "instance": "integration-manager-1-2"})
    )

    assert event.source == "integration-manager"


def test_the_tenant_may_stand_in_the_data() -> None:
    event = decode(an_event(tenantId="", data={"opportunityId": "o", "tenantId": TENANT}))

    assert event.tenant_id == TENANT


def test_a_tenant_has_one_spelling() -> None:
    assert decode(an_event(tenantId=TENANT.upper())).tenant_id == TENANT


def test_the_correlation_id_may_stand_at_the_top() -> None:
    assert decode(an_event(correlationId="c-1")).metadata.correlation_id == "c-1"


def test_a_missing_timestamp_is_the_time_of_receipt() -> None:
    event = an_event()
    del event["timestamp"]

    assert decode(event).timestamp == NOW


def test_unknown_fields_are_ignored() -> None:
    assert decode(
        an_event(organizationId="x", data={"opportunityId": "o", "new": {"__prefect_kind": "json"}})
    )


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"", "malformed-json"),
        (b"{", "malformed-json"),
        (b"\xff\xfe", "malformed-json"),
        (b'{"id": NaN}', "malformed-json"),
        (b"[" * 100_000, "schema-invalid"),
        (b'{"data": ' + b"[" * 100_000, "malformed-json"),
        (b"[]", "schema-invalid"),
        (b"null", "schema-invalid"),
        (b"{}", "schema-invalid"),
        (b'{"id":"1","id":"2","type":"foreign.thing","data":{}}', "malformed-json"),
        (b'{"id":"1","type":"foreign.thing","data":{"a":1,"a":1}}', "malformed-json"),
        (b" " * (MAX_EVENT_BYTES + 1), "too-large"),
    ],
)
def test_what_is_no_event_is_refused(body: bytes, code: str) -> None:
    assert code == rejection(body).code


@pytest.mark.parametrize(
    ("changes", "code", "named"),
    [
        ({"id": 5.5}, "schema-invalid", "id"),
        ({"id": ""}, "schema-invalid", "id"),
        ({"type": "opportunity"}, "schema-invalid", "type"),
        ({"type": "a.b.c.d.e"}, "schema-invalid", "type"),
        ({"version": "2.0"}, "unsupported-version", "2.0"),
        ({"tenantId": None}, "unknown-tenant", "tenantId"),
        ({"tenantId": "acme"}, "unknown-tenant", "acme"),
        ({"data": []}, "schema-invalid", "`object`"),
        ({"data": {}}, "schema-invalid", "opportunityId"),
        ({"data": {"opportunityId": 7.5}}, "schema-invalid", "data.opportunityId"),
        ({"data": {"opportunityId": ""}}, "schema-invalid", "data.opportunityId"),
    ],
)
def test_a_wrong_field_is_named(changes: dict[str, Any], code: str, named: str) -> None:
    refused = rejection_of(**changes)

    assert code == refused.code
    assert named in refused.reason


@pytest.mark.parametrize(
    "event_type", ["forecast.done", "risk.evaluation.seen", "workflow.risk.analysis.seen"]
)
def test_an_unhandled_type_is_no_error(event_type: str) -> None:
    with pytest.raises(UnknownEventType):
        decode(an_event(type=event_type))


def test_an_event_goes_out_in_the_documented_envelope() -> None:
    event = Event(
        id="8b0a1b62-54f3-4f4e-8f57-8a4d6c3f0001",
        tenant_id=TENANT,
        timestamp=NOW,
        data=JobTrigger(job="outcome-sync", metadata={}, triggered_by="scheduler", timestamp=NOW),
    )

    assert json.loads(encode_event(event)) == {
        "id": "8b0a1b62-54f3-4f4e-8f57-8a4d6c3f0001",
        "type": "workflow.job.trigger",
        "timestamp": "2026-01-02T03:04:05Z",
        "tenantId": TENANT,
        "data": {
            "job": "outcome-sync",
            "metadata": {},
            "triggeredBy": "scheduler",
            "timestamp": "2026-01-02T03:04:05Z",
        },
        "version": "1.0.0",
        "source": "workflow-orchestrator",
    }


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)
FIELDS = st.sampled_from(
    ["id", "type", "version", "timestamp", "tenantId", "source", "data", "metadata", "userId"]
)
ODD_EVENTS = st.dictionaries(
    FIELDS, JSON | st.sampled_from([TENANT, TENANT.upper(), *CONSUMED]), max_size=9
)
ODD_BODIES = (
    st.binary(max_size=200)
    | JSON.map(lambda value: json.dumps(value).encode())
    | ODD_EVENTS.map(lambda changes: json.dumps({**an_event(), **changes}).encode())
    | st.tuples(
        st.just(json.dumps(an_event()).encode()), st.integers(0, 300), st.binary(max_size=3)
    ).map(lambda cut: cut[0][: cut[1]] + cut[2] + cut[0][cut[1] :])
)


@given(ODD_BODIES)
def test_whatever_comes_is_an_event_or_refused_with_a_code(body: bytes) -> None:
    code = None
    try:
        decode_event(body, received_at=NOW)
    except Rejected as refused:
        code = refused.code
    except UnknownEventType:
        pass
    assert code in {None, *OF_MESSAGES}


@given(ODD_BODIES)
def test_a_glance_raises_nothing_and_sees_the_tenant_that_the_event_has(body: bytes) -> None:
    seen = glance(body)
    try:
        event = decode_event(body, received_at=NOW)
    except (Rejected, UnknownEventType):
        return
    assert (event.tenant_id, event.type) == (seen.tenant_id, seen.event_type)
