"""Computed ids: one cause, one id; and none changes by accident."""

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


def test_a_batch_has_one_key_whatever_its_order() -> None:
    assert ids.flow_run_key(["a", "b"], "dispatch") == ids.flow_run_key(["b", "a"], "dispatch")
