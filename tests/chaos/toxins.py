"""Messages that must not be accepted, and the code each must be refused with."""

import json
from collections.abc import Callable
from uuid import NAMESPACE_URL, uuid5

import msgspec

from blocks.contracts import rejections
from blocks.contracts.envelope import MAX_EVENT_BYTES
from blocks.ports import Message
from tests.support.system.analysis_services import foreign_event, opportunity_event


class Toxin(msgspec.Struct, frozen=True):
    """`make` takes a tenant and a name, from which the message's id follows."""

    code: str
    make: Callable[[str, str], Message]


def _malformed(tenant_id: str, name: str) -> Message:
    message = opportunity_event(tenant_id, "x", id=name)
    return msgspec.structs.replace(message, body=message.body[:-20])


def _of_no_tenant(tenant_id: str, name: str) -> Message:
    return opportunity_event("nobody", "x", id=name)


def _too_large(tenant_id: str, name: str) -> Message:
    return opportunity_event(tenant_id, "x", id=name, ballast="x" * MAX_EVENT_BYTES)


def _without_opportunity(tenant_id: str, name: str) -> Message:
    return foreign_event(
        tenant_id, "integration.opportunity.updated", {"opportunity": "x"}, id=name
    )


def _of_another_version(tenant_id: str, name: str) -> Message:
    message = opportunity_event(tenant_id, "x", id=name)
    return msgspec.structs.replace(
        message, body=json.dumps({**json.loads(message.body), "version": "9.0"}).encode()
    )


def _answer_to_no_execution(tenant_id: str, name: str) -> Message:
    data = {"riskScore": 0.5, "workflowId": str(uuid5(NAMESPACE_URL, name)), "opportunityId": "x"}
    return foreign_event(tenant_id, "risk.evaluation.completed", data, id=name)


TOXINS = (
    Toxin(rejections.MALFORMED_JSON, _malformed),
    Toxin(rejections.UNKNOWN_TENANT, _of_no_tenant),
    Toxin(rejections.TOO_LARGE, _too_large),
    Toxin(rejections.SCHEMA_INVALID, _without_opportunity),
    Toxin(rejections.UNSUPPORTED_VERSION, _of_another_version),
    Toxin(rejections.UNKNOWN_EXECUTION, _answer_to_no_execution),
)
