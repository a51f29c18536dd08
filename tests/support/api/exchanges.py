"""For every operation of the documents a request that succeeds: its documented body, sent to what
it is about.
"""

import re
from collections.abc import Awaitable, Callable, Mapping
from datetime import timedelta
from typing import Any

import httpx

from api.access.platform_paths import OF_THE_PLATFORM
from blocks.contracts.events import JsonObject
from blocks.contracts.ids import SYSTEM_TENANT
from blocks.contracts.records import ApprovalRecord, Record
from blocks.contracts.records.claims import PhaseRecord
from tests.support.api.api_client import Api
from tests.support.api.every_route import OTHER_NAMES, PROMPT, RECORDS, RUN, a_record
from tests.support.claims.records import a_claim, a_journey
from tests.support.factories import (
    A_TENANT,
    a_stand_in,
    an_approval_asked_back,
    an_execution,
    now,
)

A_USER = "u-208"
"""The documents' own: the client acts for this user."""

Prepare = Callable[[Api], Awaitable[str]]


class Exchange:
    """One operation of a document, with what it takes to be asked for."""

    def __init__(self, document: JsonObject, path: str, method: str, operation: JsonObject) -> None:
        self.document, self.path, self.operation = document, path, operation
        self.method = method.upper()
        self.name = re.sub("(UnderApi|WithoutPrefix)$", "", operation["operationId"])

    @property
    def tenant_id(self) -> str:
        of_platform = self.path.startswith((*OF_THE_PLATFORM, "/api/v1/dispatch"))
        return SYSTEM_TENANT if of_platform else A_TENANT

    @property
    def body(self) -> Any:
        """The documented example; None: it takes none."""
        if "requestBody" not in self.operation:
            return None
        [media] = self.operation["requestBody"]["content"].values()
        [example] = media["examples"].values()
        return self.document["components"]["examples"][example["$ref"].rpartition("/")[2]]["value"]

    async def subject(self, api: Api) -> str:
        """The id of what it is about, in a state in which it can be carried out."""
        if self.name in PREPARED:
            return await PREPARED[self.name](api)
        kinds = [RECORDS[name] for name in re.findall(r"{(\w+)}", self.path) if name in RECORDS]
        return await _kept(api, kinds[0]) if kinds else ""

    async def ask(self, api: Api, id: str, **headers: str) -> httpx.Response:
        body = ADAPTED[self.name](self.body, id) if self.name in ADAPTED else self.body
        named = {"X-Tenant-ID": self.tenant_id, "X-User-ID": A_USER}
        sent = {**named, **HEADERS.get(self.name, {}), **headers}
        return await api.client.request(
            self.method, self._path(id), json=body, params=QUERIES.get(self.name), headers=sent
        )

    def _path(self, id: str) -> str:
        about = (*RECORDS, PROMPT, RUN, "token")
        return re.sub(
            r"{(\w+)}",
            lambda match: id if match[1] in about else OTHER_NAMES[match[1]],
            self.path,
        )


QUERIES: Mapping[str, Mapping[str, str]] = {
    "listWorkflows": {"opportunityId": "opportunity-1"},
    "streamExecutions": {"seconds": "0"},
}

HEADERS: Mapping[str, Mapping[str, str]] = {"editDeadLetter": {"If-Match": '"1"'}}

ADAPTED: Mapping[str, Callable[[Any, str], Any]] = {
    "triggerJob": lambda _, __: {"metadata": {"tenantIds": [A_TENANT]}},
    "decideApprovals": lambda body, id: {"decisions": [body["decisions"][0] | {"id": id}]},
    "editDeadLetter": lambda body, _: {"event": body["event"] | {"tenantId": A_TENANT}},
    "createPrompt": lambda body, id: body | {"claim_id": id},
    "createStandIn": lambda body, _: body | {"startsAt": None, "endsAt": in_days(14)},
}
"""Documented bodies that name a record, a tenant or the near future: here they name the test's own.
"""


async def _kept(api: Api, kind: type[Record]) -> str:
    return (await a_record(api.store, kind, A_TENANT)).id.removeprefix("api-key:")


def _execution(**state: Any) -> Prepare:
    async def prepare(api: Api) -> str:
        execution = an_execution(**state)
        await api.holds(execution)
        return execution.id

    return prepare


async def _a_link(api: Api) -> str:
    approval = await _kept(api, ApprovalRecord)
    path = f"/api/v1/hitl/approvals/{approval}/links"
    answer = await api.client.post(
        path, json={"recipient": A_USER}, headers={"X-Tenant-ID": A_TENANT, "X-User-ID": A_USER}
    )
    return str(answer.json()["token"])


async def _an_approval(api: Api) -> str:
    return await _kept(api, ApprovalRecord)


async def _a_claimed_approval(api: Api) -> str:
    approval = await _kept(api, ApprovalRecord)
    await api.client.post(
        f"/api/v1/hitl/approvals/{approval}/claim",
        headers={"X-Tenant-ID": A_TENANT, "X-User-ID": A_USER},
    )
    return approval


async def _an_approval_with_a_question(api: Api) -> str:
    approval = an_approval_asked_back()
    await api.holds(approval)
    return approval.id


async def _own_stand_in(api: Api) -> str:
    stand_in = a_stand_in(person=A_USER)
    await api.holds(stand_in)
    return stand_in.id


def in_days(days: int) -> str:
    """A midnight: two requests state the same."""
    return f"{now() + timedelta(days=days):%Y-%m-%dT00:00:00Z}"


async def _a_claim(api: Api) -> str:
    return await _kept(api, RECORDS["claimId"])


async def _an_open_claim(api: Api) -> str:
    journey = a_journey()
    claim = a_claim(journey)
    await api.holds(journey, claim)
    return claim.claim_id


async def _a_prompt(api: Api) -> str:
    body = {
        "claim_id": await _an_open_claim(api),
        "question": "Does it prove the claim?",
        "options": [{"id": "confirm", "text": "Yes", "action": "confirm_evidence"}],
    }
    return str((await api.send("POST", "/api/v1/evidence/prompts", body)).json()["prompt_id"])


async def _a_packet_link(api: Api) -> str:
    path = f"/api/v1/evidence/proof-packets/{await _a_packet(api)}"
    return str((await api.get(path)).json()["data"]["packet_url"]).rpartition("/")[2]


async def _a_packet(api: Api) -> str:
    claim = await _a_claim(api)
    await api.send("POST", f"/api/v1/evidence/proof-packets/{claim}/generate", {})
    return claim


async def _a_run(api: Api) -> str:
    path = "/api/workflows/log-rotation/trigger"
    answer = await api.send("POST", path, {}, tenant_id=SYSTEM_TENANT)
    return str(answer.json()["result"]["runId"])


async def _a_failed_run(api: Api) -> str:
    run = await _a_run(api)
    await api.send("POST", f"/api/runs/{run}/cancel", tenant_id=SYSTEM_TENANT)
    return run


async def _a_share(api: Api) -> str:
    path = f"/api/v1/dispatch/tenants/{A_TENANT}"
    await api.send("PUT", path, {"weight": 2}, tenant_id=SYSTEM_TENANT)
    return A_TENANT


async def _a_cancelled_journey(api: Api) -> str:
    journey = await _kept(api, PhaseRecord)
    await api.send("POST", f"/api/v1/claims/{journey}/cancel", {})
    return journey


PREPARED: Mapping[str, Prepare] = {
    "retryExecution": _execution(status="failed", completed_at=now()),
    "retryWorkflow": _execution(status="failed", completed_at=now()),
    "rerunExecution": _execution(status="completed", completed_at=now()),
    "readApprovalLink": _a_link,
    "decideThroughLink": _a_link,
    "decideApprovals": _an_approval,
    "releaseApproval": _a_claimed_approval,
    "createPrompt": _an_open_claim,
    "answerQuestion": _an_approval_with_a_question,
    "removeStandIn": _own_stand_in,
    "listPrompts": _a_claim,
    "readClaimAudit": _a_claim,
    "answerPrompt": _a_prompt,
    "withdrawPrompt": _a_prompt,
    "readPacketLink": _a_packet,
    "readPacketStatus": _a_packet,
    "downloadPacket": _a_packet_link,
    "readRun": _a_run,
    "cancelRun": _a_run,
    "retryRun": _a_failed_run,
    "resetTenantShare": _a_share,
    "retryJourney": _a_cancelled_journey,
}
"""What must have happened before; of the others, a record in its first state is enough."""
