"""An installation in which nothing is configured: every step of every operation is skipped, or does
what needs no setting; none fails.
"""

import importlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from blocks.contracts.operations import OPERATIONS, Operation
from blocks.operations.work import NotConfigured
from blocks.services import open_bus, open_store
from blocks.settings import load_settings
from flows.shared import runtime
from flows.shared.operations.operation_run import Given, Work
from flows.shared.runtime import Runtime
from tests.support.factories import new_id
from tests.support.flow_runs import RememberedFlowRuns

WORKS = {"analyze-metrics", "check-permissions", "review-logs", "generate-report"}
"""They need no setting."""


class Steps:
    """Stands where the flow has its execution: each step is given what those before it returned."""

    def __init__(self, context: Runtime) -> None:
        self.state = None
        self.input: dict[str, Any] = {}
        self.done: list[str] = []
        self.skipped: list[str] = []
        self._context = context

    async def step(self, id: str, work: Work) -> dict[str, Any]:
        given = Given(
            input=dict(self.input),
            settings=self._context.settings,
            execution_id=new_id(),
            report=lambda line: None,
        )
        try:
            self.input |= await work(given)
            self.done.append(id)
        except NotConfigured:
            self.skipped.append(id)
        return {}


@pytest.fixture
async def context(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Runtime]:
    settings = load_settings({"ORCHESTRATOR_DATA_DIR": str(tmp_path / "data")})
    async with open_store(settings) as store, open_bus(settings, "test") as bus:
        await store.provision()
        opened = Runtime(settings, bus, store, RememberedFlowRuns())

        async def get() -> Runtime:
            return opened

        monkeypatch.setattr(runtime, "get", get)
        yield opened


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda one: one.id)
async def test_no_step_fails_where_nothing_is_configured(
    operation: Operation, context: Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    module = importlib.import_module(f"flows.operations.{operation.setting}")
    steps = Steps(context)

    @asynccontextmanager
    async def in_hand(*given: object) -> AsyncIterator[Steps]:
        yield steps

    monkeypatch.setattr(module, "recorded_execution", in_hand)
    await getattr(module, operation.setting).fn()

    assert [step.id for step in operation.steps if step.id in WORKS] == steps.done
    assert [step.id for step in operation.steps if step.id not in WORKS] == steps.skipped
