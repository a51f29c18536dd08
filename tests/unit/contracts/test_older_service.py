"""What becomes of each document of the older service, also of one with odd values."""

from typing import Any

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from blocks.adapters.older_documents import may_match
from blocks.approvals.decisions import Vote, decided
from blocks.clock import utc_now
from blocks.contracts.older_service import OLDER_FORMS, OlderWorkflow, Unreadable
from blocks.contracts.older_service.approvals import read_approval
from blocks.contracts.records import ApprovalRecord
from blocks.migration.conversion import Left, converted
from blocks.ports import NotAbove, Where
from tests.support.factories import A_TENANT, AN_ID
from tests.support.older_service import older_approval, older_workflow

DEEP: list[Any] = []
for _ in range(200):
    DEEP = [DEEP]

ODD = st.sampled_from(
    [
        *(None, True, False, 0, -1, 4711, 2**63, 2**70, 1e300, float("nan"), float("inf")),
        *("", " ", "1500000", "1,5", "1.234", "$5", "-3", "approved", "Pending", "in_progress"),
        *("2026-13-01", "2026-03-02", "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59Z"),
        *("\ud800", "x" * 5000, "\x00", AN_ID, AN_ID.upper() + "f"),
        *([], {}, [None], [[]], {"": {}}, {"risk": 1}, {"risk": {}}, {"results": "\udfff"}, DEEP),
        *([{"stepType": "forecast", "status": "completed"}], [{"stepType": ["forecast"]}]),
        [{"stepType": "forecast", "status": "failed", "error": {"code": 1}, "completedAt": 5}],
    ]
)


def with_odd_values(document: dict[str, Any]) -> st.SearchStrategy[dict[str, Any]]:
    """The document with any of its fields left out, or of any other kind, and fields of others."""
    keys = sorted(document)
    others = ("comment", "decidedAt", "decidedBy", "_ts", "x")
    changes = st.dictionaries(st.sampled_from([*keys, *others]), ODD, max_size=6)
    without = st.sets(st.sampled_from(keys), max_size=4)
    return st.builds(
        lambda change, left_out: {
            key: value for key, value in {**document, **change}.items() if key not in left_out
        },
        changes,
        without,
    )


AN_APPROVAL = {**older_approval(), "id": AN_ID, "correlationId": AN_ID}
A_WORKFLOW = older_workflow(id=AN_ID)


@example({**AN_APPROVAL, "amount": float("nan")})
@example({**AN_APPROVAL, "amount": 2**70, "riskScore": float("inf")})
@given(with_odd_values(AN_APPROVAL))
def test_any_approval_is_a_record_that_can_be_stored_or_unreadable(
    document: dict[str, Any],
) -> None:
    try:
        record = read_approval(document)
    except Unreadable:
        return
    assert record == msgspec.json.decode(msgspec.json.encode(record), type=ApprovalRecord)
    assert document["status"] == record.status
    if record.status == "pending":
        vote = Vote(actor="ann", outcome="approved", channel="api")
        assert "approved" == decided(record, vote, utc_now()).status


@given(with_odd_values(A_WORKFLOW), st.booleans())
def test_any_workflow_becomes_an_execution_or_is_left(
    document: dict[str, Any], closing: bool
) -> None:
    form = OLDER_FORMS[OlderWorkflow]
    try:
        older = form.read(document)
        assert isinstance(older, OlderWorkflow)
        new = converted(older, utc_now(), closing=closing)
    except (Unreadable, Left):
        return
    assert new.execution.is_terminal
    msgspec.json.encode(new)


@pytest.mark.parametrize(
    ("stated", "amount", "is_known"),
    [
        (1_500_000, 1_500_000.0, True),
        ("1500000", 1_500_000.0, True),
        ("1,500,000.00", 1_500_000.0, True),
        ("1.234", 0.0, False),
        ("$5", 0.0, False),
        (None, 0.0, False),
        ([5], 0.0, False),
        (True, 0.0, False),
    ],
)
def test_an_amount_counts_only_without_doubt(stated: Any, amount: float, is_known: bool) -> None:
    record = read_approval(older_approval(amount=stated))

    assert (amount, is_known) == (record.amount, record.amount_known)
    assert is_known != ("amount unknown" in record.summary)
    assert (stated if isinstance(stated, str | list | bool) else None) == record.older_fields.get(
        "amount"
    )


@pytest.mark.parametrize("status", [None, "Pending", "escalated", "expired", 0, ["pending"]])
def test_no_one_decides_what_the_older_service_never_wrote(status: Any) -> None:
    with pytest.raises(Unreadable, match="its status is"):
        read_approval({**older_approval(), "status": status})


def test_a_moment_that_is_none_is_when_the_document_was_written() -> None:
    record = read_approval({**older_approval(requestedAt="yesterday"), "_ts": 1_772_442_900})

    assert 1_772_442_900 == record.requested_at.timestamp()
    assert {"requestedAt": "yesterday"} == record.older_fields


def test_all_that_is_constant_is_constant() -> None:
    form = OLDER_FORMS[ApprovalRecord]
    for document in (older_approval(), older_approval(status="approved", decidedBy="ann")):
        fields = msgspec.to_builtins(form.read(document))
        assert form.constant == {key: fields[key] for key in form.constant}
    assert A_TENANT == fields["tenantId"]


@pytest.mark.parametrize(
    ("where", "may"),
    [
        ({}, True),
        ({"status": ("approved", "expired")}, True),
        ({"status": ("expired", "cancelled")}, False),
        ({"status": "pending", "next_at": NotAbove(4e9)}, False),
        ({"execution_id": AN_ID}, False),
    ],
)
def test_documents_are_not_looked_at_for_what_they_never_hold(where: Where, may: bool) -> None:
    assert may == may_match(ApprovalRecord, where)
