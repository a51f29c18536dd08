"""`/api/v1/definitions/{workflow}`: how a tenant wants a workflow run."""

from typing import Annotated, Any

import msgspec
from litestar import Response, delete, get, patch, put
from litestar.params import JSONBody, PathParameter

from api.access.actor import Caller
from api.access.tenancy import TenantId
from api.definitions.documents import DEFINITION, Definition, PatchOperation, definition_of
from api.definitions.errors import DefinitionChanged, DefinitionNotFound
from api.documentation.openapi import documented, documented_without_body
from api.http.errors import BODY_ERRORS, InvalidRequest, Problem
from api.http.etags import IfMatch, etag_of, wanted_version
from api.http.parameters import header
from api.http.records import AllSettings, Store
from api.http.refusals.body_problems import body_problems
from blocks.contracts.definitions import WantedDefinition
from blocks.contracts.events import JsonObject
from blocks.contracts.records import WorkflowDefinition
from blocks.contracts.workflows import definable
from blocks.definitions import versions
from blocks.definitions.patches import patched
from blocks.ports import RecordStore, Stale
from blocks.tenants.dispatch_policy import read_policy

WorkflowPath = Annotated[
    str, PathParameter(name="workflow", description=f"One of: {', '.join(definable())}")
]

IfNoneMatch = Annotated[
    str | None,
    header(
        "If-None-Match",
        "`*`: refused (412) if the tenant has a definition of its own.",
        pattern=r"^\*$",
    ),
]

_TAGS = ["Definitions"]


@get(
    "/definitions/{workflow:str}",
    summary="Read a definition",
    tags=_TAGS,
    responses=documented(DEFINITION, DefinitionNotFound),
)
async def read_definition(
    store: Store, settings: AllSettings, tenant_id: TenantId, workflow: WorkflowPath
) -> Response[Definition]:
    """What holds for executions that start now: the tenant's own definition, or the platform's
    defaults.
    """
    check_definable(workflow)
    return await _shown(store, await versions.read_definition(store, tenant_id, workflow, settings))


@put(
    "/definitions/{workflow:str}",
    summary="Set a definition",
    tags=_TAGS,
    responses=documented(DEFINITION, DefinitionNotFound, DefinitionChanged, *BODY_ERRORS),
)
async def set_definition(
    store: Store,
    settings: AllSettings,
    tenant_id: TenantId,
    actor: Caller,
    workflow: WorkflowPath,
    data: JSONBody[WantedDefinition],
    if_match: IfMatch = None,
    if_none_match: IfNoneMatch = None,
) -> Response[Definition]:
    """Executions that start from now on follow it; those that have started keep the version they
    started with.

    What is left out is the platform's default. Events of a tenant that is not `enabled` are
    acknowledged, and start nothing, now or later.
    """
    check_definable(workflow)
    try:
        new = await versions.set_definition(
            store,
            tenant_id,
            workflow,
            settings,
            data,
            by=actor.on_record,
            version=wanted_version(if_match),
            only_first=_only_first(if_none_match),
        )
    except Stale:
        raise DefinitionChanged from None
    return await _shown(store, new)


@patch(
    "/definitions/{workflow:str}",
    summary="Change a definition",
    tags=_TAGS,
    operation_class=PatchOperation,
    responses=documented(DEFINITION, DefinitionNotFound, DefinitionChanged, *BODY_ERRORS),
)
async def change_definition(
    store: Store,
    settings: AllSettings,
    tenant_id: TenantId,
    actor: Caller,
    workflow: WorkflowPath,
    data: JSONBody[dict[str, Any]],
    if_match: IfMatch = None,
) -> Response[Definition]:
    """The given fields, of those that `PUT` takes, are changed, and others stay (JSON merge patch,
    RFC 7396); null goes back to the platform's default.
    """
    check_definable(workflow)
    try:
        new = await versions.change_definition(
            store,
            tenant_id,
            workflow,
            settings,
            lambda definition: wanted_in(patched(definition, data)),
            by=actor.on_record,
            version=wanted_version(if_match),
        )
    except Stale:
        raise DefinitionChanged from None
    return await _shown(store, new)


@delete(
    "/definitions/{workflow:str}",
    summary="Reset a definition to the defaults",
    tags=_TAGS,
    responses=documented_without_body(DefinitionNotFound, DefinitionChanged),
)
async def reset_definition(
    store: Store,
    settings: AllSettings,
    tenant_id: TenantId,
    actor: Caller,
    workflow: WorkflowPath,
    if_match: IfMatch = None,
) -> None:
    """The platform's defaults hold for executions that start from now on."""
    check_definable(workflow)
    try:
        await versions.reset_definition(
            store,
            tenant_id,
            workflow,
            settings,
            by=actor.on_record,
            version=wanted_version(if_match),
        )
    except Stale:
        raise DefinitionChanged from None


def check_definable(workflow: str) -> None:
    """Raises `DefinitionNotFound`."""
    if workflow not in definable():
        raise DefinitionNotFound


def wanted_in(whole: JsonObject) -> WantedDefinition:
    """The settings that this states. Raises `InvalidRequest`, with everything that is wrong."""
    if problems := body_problems(whole, WantedDefinition, strict=True):
        raise InvalidRequest(*problems)
    return msgspec.convert(whole, WantedDefinition)


def _only_first(if_none_match: str | None) -> bool:
    if if_none_match not in (None, "*"):
        raise InvalidRequest(Problem(field="If-None-Match", message="must be *", source="header"))
    return if_none_match == "*"


async def _shown(store: RecordStore, definition: WorkflowDefinition) -> Response[Definition]:
    share = (await read_policy(store)).share_of(definition.tenant_id)
    return Response(definition_of(definition, share), headers={"ETag": etag_of(definition.version)})
