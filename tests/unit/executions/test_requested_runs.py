"""What a person may start a flow run with, and what it answers to anything else."""

from typing import Any

import pytest

from blocks.contracts.reading.carriable import DEPTH_MAX
from flows.shared.requested import requested
from flows.shared.run_end import RunEnds
from tests.support.factories import A_TENANT, new_id


def deep() -> dict[str, Any]:
    nested: dict[str, Any] = {}
    for _ in range(DEPTH_MAX + 1):
        nested = {"in": nested}
    return nested


@pytest.mark.parametrize(
    ("given", "states"),
    [
        ({"tenant_id": "acme", "opportunity_id": "006"}, "tenant_id is 'acme'"),
        ({"tenant_id": "", "opportunity_id": "006"}, "tenant_id is ''"),
        ({"tenant_id": A_TENANT}, "give opportunity_id"),
        (
            {"tenant_id": A_TENANT, "opportunity_id": "006", "execution_ids": [new_id()]},
            "give one of the two",
        ),
        (
            {"tenant_id": A_TENANT, "input": {"amount": 1}, "execution_ids": [new_id()]},
            "give one of the two",
        ),
        ({"tenant_id": A_TENANT, "input": {"amount": 1}}, "give opportunity_id"),
        ({"tenant_id": A_TENANT, "opportunity_id": "  "}, "opportunity_id is '  '"),
        ({"tenant_id": A_TENANT, "opportunity_id": "x" * 201}, "length <= 200"),
        ({"tenant_id": A_TENANT, "opportunity_id": "006", "input": deep()}, "nested deeper"),
        ({"tenant_id": A_TENANT, "opportunity_id": "006", "input": {"a": 2**70}}, "64 bits"),
    ],
)
def test_a_run_that_cannot_be_carried_out_is_refused_with_the_reason(
    given: dict[str, Any], states: str
) -> None:
    with pytest.raises(RunEnds) as refusal:
        requested(**{"execution_ids": [], "opportunity_id": "", "input": {}, **given})

    assert "Refused" == refusal.value.state.name
    assert states in (refusal.value.state.message or "")


def test_ids_are_read_in_any_case_and_once_each() -> None:
    id = new_id()

    run = requested(A_TENANT.upper(), [id, id.upper(), "no id"], "", {})

    assert (A_TENANT, [id, "no id"]) == (run.tenant_id, run.execution_ids)
