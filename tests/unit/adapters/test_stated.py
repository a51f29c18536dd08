"""What flow runs state as their work, whatever JSON their starters gave."""

from typing import Any

import pytest

from blocks.adapters.prefect.stated import Stated
from tests.support.factories import A_TENANT, new_id

AN_EXECUTION = new_id()


def test_a_dispatchers_run_states_its_executions() -> None:
    parameters = {"tenant_id": A_TENANT, "execution_ids": [AN_EXECUTION]}

    assert Stated(tenant_id=A_TENANT, execution_ids=[AN_EXECUTION]) == Stated.of(parameters)


def test_ids_are_in_their_one_spelling_and_stand_once() -> None:
    parameters = {"tenant_id": A_TENANT.upper(), "execution_ids": [AN_EXECUTION.upper()] * 2}

    assert Stated(tenant_id=A_TENANT, execution_ids=[AN_EXECUTION]) == Stated.of(parameters)


@pytest.mark.parametrize(
    "odd", [None, 5, True, {"a": 1}, [["a"]], [None, {"a": 1}], "a/b?#\x00", "x" * 100_000]
)
def test_what_can_be_no_id_is_left_out(odd: Any) -> None:
    stated = Stated.of({"tenant_id": odd, "execution_ids": odd})
    mixed = Stated.of({"tenant_id": A_TENANT, "execution_ids": [odd, AN_EXECUTION]})

    assert Stated() == stated
    assert [AN_EXECUTION] == mixed.execution_ids


@pytest.mark.parametrize("odd", [None, "", 5, {"a": 1}, ["a"]])
def test_a_subject_and_a_job_are_text(odd: Any) -> None:
    assert Stated() == Stated.of({"opportunity_id": odd, "job": odd})
