"""The flow behind a deployment, imported once and kept warm."""

import asyncio
import time
from typing import Any
from uuid import UUID

from prefect.client.orchestration import PrefectClient
from prefect.client.schemas.objects import FlowRun
from prefect.filesystems import LocalFileSystem
from prefect.flows import Flow, load_flow_from_entrypoint
from prefect.settings import get_current_settings

_DEPLOYMENT_IS_FRESH_SECONDS = 30.0


class UnfitDeployment(Exception):
    """This deployment cannot run in a shared process; the message is the reason."""


class DeployedFlows:
    """Finds the flow of a run. A deployment is read again after half a minute, a module is imported
    for good.
    """

    def __init__(self) -> None:
        self._entrypoints: dict[UUID, tuple[float, str]] = {}
        self._flows: dict[str, Flow[..., Any]] = {}

    async def flow_of(self, flow_run: FlowRun, client: PrefectClient) -> Flow[..., Any]:
        """The async flow this run asks for.

        Raises `UnfitDeployment`, `ObjectNotFound` if the deployment is gone, and what importing the
        module raises.
        """
        entrypoint = await self._entrypoint_of(flow_run, client)
        if entrypoint not in self._flows:
            flow: Flow[..., Any] = await asyncio.to_thread(
                load_flow_from_entrypoint, entrypoint, False
            )
            if not flow.isasync:
                raise UnfitDeployment(
                    f"{entrypoint} is not an async flow: it would hold up every other run"
                )
            self._flows[entrypoint] = _with_its_storage(flow)
        return self._flows[entrypoint]

    async def _entrypoint_of(self, flow_run: FlowRun, client: PrefectClient) -> str:
        if flow_run.deployment_id is None:
            raise UnfitDeployment("the run has no deployment")
        read_at, entrypoint = self._entrypoints.get(flow_run.deployment_id, (0.0, ""))
        if not entrypoint or time.monotonic() - read_at > _DEPLOYMENT_IS_FRESH_SECONDS:
            deployment = await client.read_deployment(flow_run.deployment_id)
            entrypoint = deployment.entrypoint or ""
            if not entrypoint or ":" in entrypoint:
                # A file path would load a second copy of every class.
                raise UnfitDeployment(
                    f"deployment {deployment.name!r} needs an entrypoint like package.module.flow"
                )
            self._entrypoints[flow_run.deployment_id] = (time.monotonic(), entrypoint)
        return entrypoint


def _with_its_storage(flow: Flow[..., Any]) -> Flow[..., Any]:
    """The flow, with a result storage of its own even if it keeps no results.

    Otherwise Prefect asks the server for the default storage at the start of each run, in a
    blocking request: the event loop, and with it every other run, stands still until the server
    answers.
    """
    if flow.persist_result is False and flow.result_storage is None:
        flow.result_storage = LocalFileSystem(
            basepath=str(get_current_settings().results.local_storage_path)
        )
    return flow
