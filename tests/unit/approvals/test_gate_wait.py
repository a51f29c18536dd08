"""An answer given in Prefect that came too late does not vanish: the run's log has it."""

import logging
from typing import Any

import pytest

from blocks.ports import Stored
from flows.shared import gate_wait
from tests.support.factories import an_approval

APPROVES = {"decision": "approve", "decided_by": "ann"}


@pytest.mark.parametrize(
    ("typed", "through", "is_logged"),
    [(APPROVES, "api", True), (APPROVES, "prefect-ui", False), ({}, "api", False)],
)
async def test_an_answer_that_another_one_preceded_is_logged_as_one_that_does_not_count(
    typed: dict[str, Any],
    through: str,
    is_logged: bool,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def given(key: str) -> dict[str, Any]:
        return typed

    monkeypatch.setattr(gate_wait, "answer_given", given)
    decided = an_approval(status="rejected", decided_by="bob", decided_through=through)
    with caplog.at_level(logging.WARNING, gate_wait.log.name):
        await gate_wait.notice_late_answer(Stored(decided, "1"))

    assert is_logged == ("does not count: ann: it is rejected already" in caplog.text)
