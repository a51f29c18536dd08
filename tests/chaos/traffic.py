"""What the outside world does during a run: it publishes until the broker confirms, cancels and
decides.
"""

import asyncio
import time
from collections.abc import Mapping

import httpx

from blocks.contracts import ids
from blocks.ports import Message, Unavailable
from tests.chaos.plan import Intervention, InterventionKind, Plan, Publish
from tests.chaos.system import ChaosSystem
from tests.support.api.credentials import AnyTenant

_AGAIN_SECONDS = 0.5
_ASK_AGAIN_SECONDS, _ASK_AGAIN_MAX_SECONDS = 1.0, 16.0
_ENDS: Mapping[InterventionKind, str] = {
    "cancelled": "cancelled",
    "approved": "completed",
    "rejected": "failed",
}


class Traffic:
    """Carries out the publishes and interventions of a plan. Nothing is left to chance here but the
    system's answers.
    """

    def __init__(self, system: ChaosSystem, plan: Plan) -> None:
        self._system = system
        self._plan = plan
        self.sent: dict[str, float] = {}
        """Confirmed message to the moment (seconds since 1970) at which it was first published
        successfully.
        """
        self.wanted: dict[str, tuple[str, ...]] = {}
        """Executions with an intervention that took effect, or may have, to the statuses they may
        end in.
        """

    async def flow(self, began: float) -> None:
        """All is published and confirmed, and every intervention was answered."""
        async with (
            httpx.AsyncClient(timeout=20, auth=AnyTenant()) as client,
            asyncio.TaskGroup() as group,
        ):
            for intervention in self._plan.interventions:
                group.create_task(self._intervene(client, intervention, began))
            for publish in self._plan.publishes:
                await _until(began + publish.at)
                group.create_task(self._publish(publish))

    async def _publish(self, publish: Publish) -> None:
        for message in publish.messages:
            await self._publish_until_confirmed(message)

    async def _publish_until_confirmed(self, message: Message) -> None:
        while True:
            now = time.time()
            try:
                await self._system.bus.publish(message, required=True)
            except Unavailable:
                await asyncio.sleep(_AGAIN_SECONDS)
            else:
                self.sent.setdefault(message.id, now)
                return

    async def _intervene(
        self, client: httpx.AsyncClient, intervention: Intervention, began: float
    ) -> None:
        """Asked until it is granted, or refused because the execution has ended or the approval was
        decided.

        One key for all tries: the intervention takes effect once. A refusal after a try that found
        neither success nor nothing (no answer, 5xx) says that this try, or the execution itself,
        was faster.
        """
        await _until(began + intervention.at)
        unclear, pause = False, _ASK_AGAIN_SECONDS
        while (status := await self._ask(client, intervention)) not in (200, 409):
            unclear = unclear or status != 404
            await asyncio.sleep(pause)
            pause = min(2 * pause, _ASK_AGAIN_MAX_SECONDS)
        if status == 200:
            self.wanted[intervention.execution_id] = (_ENDS[intervention.kind],)
        elif unclear:
            self.wanted[intervention.execution_id] = (_ENDS[intervention.kind], "completed")

    async def _ask(self, client: httpx.AsyncClient, intervention: Intervention) -> int:
        """The status; 0 if there was no answer, or none of this request's own yet."""
        path, body = _request(intervention)
        headers = {
            "X-Tenant-ID": intervention.tenant_id,
            "X-User-ID": "ann",
            "Idempotency-Key": f"chaos-{intervention.execution_id}",
        }
        try:
            response = await client.post(self._system.url(path), json=body, headers=headers)
        except httpx.HTTPError:
            return 0
        return 0 if "IDEMPOTENCY_IN_PROGRESS" in response.text else response.status_code


def _request(intervention: Intervention) -> tuple[str, dict[str, str]]:
    if intervention.kind == "cancelled":
        return f"/api/v1/executions/{intervention.execution_id}/cancel", {"reason": "chaos"}
    approval_id = ids.approval_id(intervention.execution_id, "analysis")
    return f"/api/v1/hitl/approvals/{approval_id}/decisions", {
        "outcome": intervention.kind,
        "reason": "chaos",
    }


async def _until(moment: float) -> None:
    await asyncio.sleep(max(0.0, moment - time.time()))
