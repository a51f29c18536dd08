"""Computed ids: one cause, one id; and none changes by accident."""

from uuid import uuid5

from hypothesis import example, given
from hypothesis import strategies as st

from blocks.contracts import ids

TENANT = "0b54c0f5-6f0a-4f4c-9d0e-2a3a30f3e001"


def test_the_same_cause_has_the_same_id() -> None:
    assert ids.execution_id(TENANT, "w", "e") == ids.execution_id(TENANT, "w", "e")


def test_another_tenant_workflow_or_event_has_another_id() -> None:
    causes = [
        (TENANT, "w", "e"),
        ("t", "w", "e"),
        (TENANT, "v", "e"),
        (TENANT, "w", "f"),
        (TENANT, "we", ""),
    ]

    assert len(causes) == len({ids.execution_id(*cause) for cause in causes})


def test_ids_of_released_versions_stay_as_they_are() -> None:
    execution = ids.execution_id(TENANT, "opportunity-analysis", "event-1")

    assert execution == "f3f4cb9a-5674-5060-a4f6-7dc67e78b0ca"
    assert ids.terminal_event_id(execution) == "a2dce879-67a9-598e-89c6-96e77ca1617d"
    assert (
        ids.step_requested_event_id(execution, "forecast") == "4498e75e-2ef9-51ec-b372-e0d85309e733"
    )


@given(st.lists(st.text(), max_size=4))
@example(["\x1f", ""])
def test_every_id_is_a_uuid_of_the_one_namespace(names: list[str]) -> None:
    """https://www.rfc-editor.org/rfc/rfc9562#name-uuid-version-5"""
    assert ids.flow_run_key(names, "r") == str(
        uuid5(ids.NAMESPACE, "\x1f".join(("flow-run", "r", *sorted(names))))
    )


def test_a_batch_has_one_key_whatever_its_order() -> None:
    assert ids.flow_run_key(["a", "b"], "dispatch") == ids.flow_run_key(["b", "a"], "dispatch")


def test_ids_of_claim_recovery_stay_as_they_are() -> None:
    claim = ids.claim_key(TENANT, "user-1", "claim-1")
    phase = ids.phase_record_id(claim, 7)

    assert ids.journey_id(TENANT, "user-1", "sync-1") == "0ad4a883-f8a9-5cbf-8760-f600cbe13543"
    assert claim == "ce296445-1eae-5a93-911b-9e0f2142fae4"
    assert phase == f"{claim}:phase-7"
    assert ids.phase_log_id(phase, 1, "completed") == "8cbdea85-e03c-57fe-8ff6-ca8d47ed9ede"
    assert ids.fee_id(claim) == "b5cebc13-da0d-5193-8270-294d68c69712"
    assert ids.packet_id(claim) == "773740d4-311a-510e-a0e4-817bda5a5f23"
    assert ids.phase_call_id(phase, 1) == "0558bfcb-53cf-5a79-8059-67e5d7d443d3"


def test_a_foreign_uuid_in_any_case_is_one_user_sync_and_claim() -> None:
    upper = TENANT.upper()

    assert ids.journey_id("t", TENANT, TENANT) == ids.journey_id("t", upper, upper)
    assert ids.claim_key("t", TENANT, TENANT) == ids.claim_key("t", upper, upper)
