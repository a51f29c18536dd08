"""The `FlowRuns` port on Prefect's client.

Only scalars of ours go in as parameters: Prefect renders parameters on its server, and a payload
with a nested `__prefect_kind` could read its Variables.
"""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from datetime import UTC, datetime
from time import monotonic
from types import TracebackType
from typing import Any, Self
from uuid import UUID

import httpx
from prefect.client.orchestration import PrefectClient, get_client
from prefect.client.schemas.filters import (
    FlowRunFilter,
    FlowRunFilterEndTime,
    FlowRunFilterId,
    FlowRunFilterState,
    FlowRunFilterStateName,
    FlowRunFilterStateType,
    FlowRunFilterTags,
)
from prefect.client.schemas.objects import FlowRun, State, StateType
from prefect.client.schemas.responses import SetStateStatus
from prefect.client.schemas.sorting import FlowRunSort
from prefect.exceptions import ObjectNotFound, PrefectHTTPStatusError
from prefect.settings import PREFECT_API_URL, temporary_settings
from prefect.states import Cancelled, Cancelling, Completed, Crashed, Scheduled

from blocks.adapters.prefect.clock import synchronized_with_server_clock
from blocks.adapters.prefect.retries import is_kept_from_others, open_to_any_worker
from blocks.adapters.prefect.stated import Stated
from blocks.contracts.jobs import WORKFLOW as JOBS_WORKFLOW
from blocks.observability.metrics import work
from blocks.observability.plain_text import shortened
from blocks.ports import FlowRunView, NotFound, Unavailable, UpcomingTick
from blocks.processes.ending import closing

TAG = "workflow-orchestrator"

DONE_OUTSIDE = "Triggered"
"""The state's name of a run that only shows what was done outside Prefect; its type is Completed.
"""

WORKER_TYPE = "in-process"
"""Of our worker, and of the pools that it serves; in pools of other types, each run has a process
of its own.
"""
_MESSAGE_MAX = 1_000
"""Characters of a state's message, which becomes the error of executions; a person or an exception
may have written any number.
"""
PROMPT_SECONDS, SILENT_SECONDS = 10.0, 3.0
"""The limit of a request that a person or a timer may wait for, and the pause after one that was
not answered: many that follow each other do not add their limits up.
"""
CALL_SECONDS = 70.0
"""Of any other. Prefect's server waits a minute for a lock of its database, and its client repeats
for a minute what is refused: a request that is sent again before would be carried out twice.
"""
_PAGE = 200
_LIST_MAX = 10_000


class PrefectFlowRuns:
    """Flow runs of our deployments on the Prefect server at `api_url` (None: the one of the active
    settings).

    Lives as long as its `async with`, which holds one HTTP client. Raises `Unavailable` when
    Prefect does not answer.
    """

    def __init__(self, api_url: str | None = None) -> None:
        self._api_url = api_url
        self._client: PrefectClient
        self._deployments: dict[str, UUID] = {}
        self._types_of_pools: dict[str, str] = {}
        self._silent_until = 0.0

    async def __aenter__(self) -> Self:
        if self._api_url:
            with temporary_settings({PREFECT_API_URL: self._api_url}):
                self._client = get_client()
        else:
            self._client = get_client()
        await self._client.__aenter__()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        async with closing("Prefect's client"):
            await self._client.__aexit__(kind, error, trace)

    async def start(
        self, workflow: str, tenant_id: str, execution_ids: Sequence[str], *, key: str, name: str
    ) -> str:
        deployment = f"{workflow}/{workflow}"
        async with _call():
            try:
                run = await self._client.create_flow_run_from_deployment(
                    await self._deployment(deployment),
                    name=name,
                    parameters=_carrying(tenant_id, execution_ids),
                    idempotency_key=key,
                    tags=[TAG, f"tenant:{tenant_id}", f"workflow:{workflow}"],
                )
            except PrefectHTTPStatusError as error:
                self._forget_if_gone(deployment, error)
                raise
        if run.work_queue_id is None and (run.state is None or run.state.is_scheduled()):
            await self.delete(str(run.id))
            raise Unavailable(
                f"the deployment {deployment} has no work pool: run `orchestrator bootstrap`"
            )
        work.flow_run_started(workflow, len(execution_ids))
        return str(run.id)

    async def record_completed(
        self, deployment: str, *, key: str, name: str, parameters: Mapping[str, str], message: str
    ) -> str:
        async with _call():
            try:
                run = await self._client.create_flow_run_from_deployment(
                    await self._deployment(deployment),
                    name=name,
                    parameters=dict(parameters),
                    state=Completed(name=DONE_OUTSIDE, message=message),
                    idempotency_key=key,
                    tags=[TAG],
                )
            except PrefectHTTPStatusError as error:
                self._forget_if_gone(deployment, error)
                raise
        return str(run.id)

    async def upcoming_ticks(self) -> list[UpcomingTick]:
        wanted = FlowRunFilter(
            # Hundreds of operations' ticks are due before the next one of most jobs.
            tags=FlowRunFilterTags(all_=[TAG, "auto-scheduled", f"workflow:{JOBS_WORKFLOW}"]),
            state=FlowRunFilterState(type=FlowRunFilterStateType(any_=[StateType.SCHEDULED])),
        )
        async with _call():
            runs = await self._client.read_flow_runs(
                flow_run_filter=wanted,
                sort=FlowRunSort.NEXT_SCHEDULED_START_TIME_ASC,
                limit=_PAGE,
            )
        return [
            UpcomingTick(
                flow_run_id=str(run.id),
                name=run.name,
                job=str(run.parameters["job"]),
                at=run.expected_start_time.astimezone(UTC),
            )
            for run in runs
            if run.expected_start_time and "job" in run.parameters
        ]

    async def rename(self, flow_run_id: str, name: str) -> None:
        async with self._promptly():
            await self._client.update_flow_run(UUID(flow_run_id), name=name)

    async def show_carried(
        self, flow_run_id: str, tenant_id: str, execution_ids: Sequence[str], *, name: str
    ) -> None:
        parameters = _carrying(tenant_id, execution_ids)
        async with self._promptly():
            await self._client.update_flow_run(UUID(flow_run_id), name=name, parameters=parameters)

    async def list_runs(
        self, *, states: Sequence[str], name: str | None = None, since: datetime | None = None
    ) -> list[FlowRunView]:
        wanted = FlowRunFilter(
            tags=FlowRunFilterTags(all_=[TAG]),
            state=FlowRunFilterState(
                type=FlowRunFilterStateType(any_=[StateType(state.upper()) for state in states]),
                name=FlowRunFilterStateName(any_=[name]) if name else None,
            ),
            end_time=FlowRunFilterEndTime(after_=since) if since else None,
        )
        found: list[FlowRunView] = []
        while len(found) < _LIST_MAX:
            async with _call():
                page = await self._client.read_flow_runs(
                    flow_run_filter=wanted,
                    sort=FlowRunSort.START_TIME_ASC,
                    limit=_PAGE,
                    offset=len(found),
                )
                found += [await self._view(run) for run in page]
            if len(page) < _PAGE:
                break
        return found

    async def read_runs(self, flow_run_ids: Sequence[str]) -> list[FlowRunView]:
        found: list[FlowRunView] = []
        for start in range(0, len(flow_run_ids), _PAGE):
            page = [UUID(id) for id in flow_run_ids[start : start + _PAGE]]
            wanted = FlowRunFilter(id=FlowRunFilterId(any_=page))
            async with _call():
                # Left out, the client sends null for the order, which the server refuses with 422.
                runs = await self._client.read_flow_runs(
                    flow_run_filter=wanted, sort=FlowRunSort.ID_DESC, limit=_PAGE
                )
                found += [await self._view(run) for run in runs if run.state]
        return found

    async def reschedule(self, run: FlowRunView, reason: str) -> None:
        # No state between: a search for crashed runs would reschedule it, too. Workers are given
        # runs by their scheduled time: with its own, it does not wait behind a backlog again.
        again: State[None] = Scheduled(message=reason, scheduled_time=run.scheduled_at)
        async with _call():
            if run.kept_from_others:
                await open_to_any_worker(self._client, UUID(run.id))
            await self._client.set_flow_run_state(UUID(run.id), again, force=True)

    async def reschedules(self, flow_run_id: str) -> int:
        async with _call():
            states = await self._client.read_flow_run_states(UUID(flow_run_id))
        # Prefect's own, for a retry or after a suspension, have other names; the first is its
        # creation.
        return max(sum(state.name == Scheduled().name for state in states) - 1, 0)

    async def resume(self, flow_run_id: str, run_input: Mapping[str, Any]) -> bool:
        async with self._promptly():
            answer = await self._client.resume_flow_run(
                UUID(flow_run_id), run_input=dict(run_input)
            )
        # A refused resume comes back as HTTP 200 too; only ACCEPT is success.
        return answer.status == SetStateStatus.ACCEPT

    async def cancel(self, flow_run_id: str) -> None:
        async with self._promptly():
            await self._client.set_flow_run_state(UUID(flow_run_id), Cancelling())

    async def mark_crashed(self, flow_run_id: str, reason: str) -> None:
        async with _call():
            await self._client.set_flow_run_state(
                UUID(flow_run_id), Crashed(message=reason), force=True
            )

    async def mark_cancelled(self, flow_run_id: str, reason: str) -> None:
        async with _call():
            await self._client.set_flow_run_state(
                UUID(flow_run_id), Cancelled(message=reason), force=True
            )

    async def delete(self, flow_run_id: str) -> None:
        with suppress(NotFound):
            async with _call():
                await self._client.delete_flow_run(UUID(flow_run_id))

    @asynccontextmanager
    async def _promptly(self) -> AsyncIterator[None]:
        """As `_call`, for what a person or a timer may wait for."""
        if monotonic() < self._silent_until:
            raise Unavailable("Prefect did not answer a moment ago")
        try:
            async with _call(PROMPT_SECONDS):
                yield
        except _NoAnswer:
            self._silent_until = monotonic() + SILENT_SECONDS
            raise

    def setting_the_clock(self) -> AbstractAsyncContextManager[None]:
        """While this lasts, this process's clock is synchronised with the server's."""
        return synchronized_with_server_clock(self._client)

    async def ping(self) -> None:
        """A row was read: a server without its database still answers `/health`."""
        async with self._promptly():
            await self._client.read_work_pools(limit=1)

    async def _view(self, run: FlowRun) -> FlowRunView:
        assert run.state is not None, "the query asked for states, so each run has one"
        stated = Stated.of(run.parameters)
        return FlowRunView(
            id=str(run.id),
            name=run.name,
            state=run.state.type.value.lower(),
            state_name=run.state.name or "",
            state_at=_plain(run.state.timestamp),
            run_count=run.run_count,
            message=run.state.message and shortened(run.state.message, _MESSAGE_MAX),
            scheduled_at=run.expected_start_time and _plain(run.expected_start_time),
            tenant_id=stated.tenant_id,
            execution_ids=stated.execution_ids,
            job=stated.job,
            opens_for=stated.opens_for,
            kept_from_others=is_kept_from_others(run),
            own_process=await self._has_own_process(run),
            in_a_queue=run.work_queue_id is not None,
        )

    async def _has_own_process(self, run: FlowRun) -> bool:
        """Asks Prefect once per work pool; a pool never changes its type."""
        name = run.work_pool_name
        if name is None:
            return False
        if name not in self._types_of_pools:
            try:
                self._types_of_pools[name] = (await self._client.read_work_pool(name)).type
            except ObjectNotFound:
                return False
        return self._types_of_pools[name] != WORKER_TYPE

    async def _deployment(self, name: str) -> UUID:
        """Of the deployment `flow/name`."""
        if name not in self._deployments:
            try:
                deployment = await self._client.read_deployment_by_name(name)
            except ObjectNotFound:
                raise Unavailable(
                    f"the deployment {name} is missing: run `orchestrator bootstrap`"
                ) from None
            self._deployments[name] = deployment.id
        return self._deployments[name]

    def _forget_if_gone(self, deployment: str, error: PrefectHTTPStatusError) -> None:
        """Deployed again, on a new database perhaps, it has another id: the next call looks it
        up.
        """
        if error.response.status_code == httpx.codes.NOT_FOUND:
            self._deployments.pop(deployment, None)


def _carrying(tenant_id: str, execution_ids: Sequence[str]) -> dict[str, Any]:
    """Parameters of a run that dispatchers make."""
    return {"tenant_id": tenant_id, "execution_ids": list(execution_ids)}


def _plain(moment: datetime) -> datetime:
    """Without the class that Prefect gives it, which msgspec cannot encode."""
    return datetime.fromisoformat(moment.isoformat())


class _NoAnswer(Unavailable):
    """Within the time limit."""


@asynccontextmanager
async def _call(seconds: float | None = None) -> AsyncIterator[None]:
    """A request within a time limit, with Prefect's and httpx's errors as those of the port."""
    seconds = seconds or CALL_SECONDS
    try:
        async with asyncio.timeout(seconds):
            yield
    except TimeoutError:
        raise _NoAnswer(f"Prefect does not answer: nothing in {seconds:g} s") from None
    except ObjectNotFound as error:
        raise NotFound(str(error)) from None
    except PrefectHTTPStatusError as error:
        raise Unavailable(f"Prefect answered {error.response.status_code}") from error
    except httpx.HTTPError as error:
        raise Unavailable(f"Prefect does not answer: {type(error).__name__}") from error
