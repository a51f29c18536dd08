"""`/settings/definitions`: how the tenant wants each workflow run, and when a person is asked."""

from typing import Annotated, Any, Literal

import msgspec
from litestar import Request, Response, get, post
from litestar.params import QueryParameter
from litestar.response import Redirect

from api.access.actor import Caller
from api.access.tenancy import TenantId
from api.definitions.errors import DefinitionChanged
from api.definitions.routes import WorkflowPath, check_definable, wanted_in
from api.http.errors import InvalidRequest, Problem, body_of
from api.http.records import AllSettings, Store
from api.pages.forms import Form, form_in
from api.pages.messages import flash
from api.pages.rendering import is_part, page
from api.pages.settings.rows import CHOICES, Rows, rows_in, rows_of, with_rows
from blocks.approvals.conditions import Judgement, judge_all
from blocks.approvals.forms import off_loop
from blocks.contracts.approvals import ApprovalRule
from blocks.contracts.definitions import WantedDefinition
from blocks.contracts.events import JsonObject
from blocks.contracts.opportunity_facts import facts_of
from blocks.contracts.records import ExecutionRecord, WorkflowDefinition
from blocks.contracts.workflows import definable, workflow_named
from blocks.definitions import versions
from blocks.definitions.patches import as_set
from blocks.definitions.rules import InvalidDefinition, check_definition
from blocks.json_text import read_json
from blocks.ports import Query, RecordStore, Stale
from blocks.settings import Settings

_TRIED = 10
"""So many of the last executions are judged by the rule that is being written."""

_BYTES_MAX = 100_000

Act = Literal["check", "save", "reset"]


class DefinitionForm(Form, frozen=True, kw_only=True):
    """The whole definition as JSON, changed by rows if there are any, and what to do with it."""

    text: Annotated[str, msgspec.Meta(max_length=_BYTES_MAX)] = "{}"
    version: int
    act: Act = "check"
    has_rows: bool = False
    add: Literal["condition", "approver"] | None = None
    remove: Annotated[str, msgspec.Meta(max_length=20)] | None = None
    """A row, as `condition-0`."""


class Tried(msgspec.Struct, frozen=True):
    """What the rule would have come to for one execution."""

    execution: ExecutionRecord
    judgement: Judgement


class Checked(msgspec.Struct, frozen=True):
    """A definition that could be set, or what is wrong with it."""

    problems: list[Problem]
    rule: ApprovalRule | None = None
    tried: list[Tried] = []

    @property
    def asked(self) -> int:
        return sum(one.judgement.holds is not False for one in self.tried)


@get("/settings/definitions")
async def show_definitions(
    store: Store, settings: AllSettings, tenant_id: TenantId
) -> Response[Any]:
    """Each workflow that a tenant may define, and what holds for it."""
    found = [
        await versions.read_definition(store, tenant_id, workflow, settings)
        for workflow in definable()
    ]
    return page("settings/definitions.html", definitions=found)


@get("/settings/definitions/{workflow:str}")
async def show_definition(
    store: Store,
    settings: AllSettings,
    tenant_id: TenantId,
    workflow: WorkflowPath,
    raw: Annotated[bool, QueryParameter(description="As JSON rather than in rows")] = False,
) -> Response[Any]:
    """What holds now, to be edited, and what its rule comes to for the last executions."""
    check_definable(workflow)
    found = await versions.read_definition(store, tenant_id, workflow, settings)
    whole = as_set(msgspec.structs.replace(found, is_default=False))
    text = msgspec.json.format(msgspec.json.encode(whole), indent=2).decode()
    checked = Checked([], found.approval, await _tried(store, tenant_id, workflow, found.approval))
    has_rows = workflow_named(workflow).has_deadlines and not raw
    return _shown(found, text, checked, rows_of(whole) if has_rows else None)


@post("/settings/definitions/{workflow:str}")
async def set_definition_on_page(
    request: Request[Any, Any, Any],
    store: Store,
    settings: AllSettings,
    tenant_id: TenantId,
    actor: Caller,
    workflow: WorkflowPath,
) -> Response[Any]:
    """It holds for what starts from now on; or the form again, with what is wrong and what the rule
    would have come to. To check changes nothing.
    """
    check_definable(workflow)
    form = await form_in(request, DefinitionForm)
    rows = rows_in(await request.form()).changed(form.add, form.remove) if form.has_rows else None
    by, back = actor.on_record, Redirect(f"/settings/definitions/{workflow}", status_code=303)
    try:
        if form.act == "reset":
            await versions.reset_definition(
                store, tenant_id, workflow, settings, by=by, version=form.version
            )
            flash(request, "The platform's defaults hold for what starts from now on.", "done")
            return back
        whole = _json(form.text)
        wanted = wanted_in(with_rows(whole, rows) if rows else whole)
        if form.act == "save" and not (form.add or form.remove):
            await versions.set_definition(
                store, tenant_id, workflow, settings, wanted, by=by, version=form.version
            )
            flash(request, "Saved: it holds for what starts from now on.", "done")
            return back
        checked = await _checked(store, tenant_id, workflow, settings, wanted)
    except Stale:
        raise DefinitionChanged from None
    except (InvalidRequest, InvalidDefinition) as error:
        checked = Checked(list(body_of(error).details or []))
    if is_part(request):
        return page("settings/checked.html", checked=checked)
    found = await versions.read_definition(store, tenant_id, workflow, settings)
    shown = msgspec.structs.replace(found, version=form.version)
    is_row = bool(form.add or form.remove)
    status = 400 if checked.problems and not is_row else 200
    return _shown(shown, form.text, checked, rows, status)


def _shown(
    found: WorkflowDefinition,
    text: str,
    checked: Checked,
    rows: Rows | None,
    status: int = 200,
) -> Response[Any]:
    return page(
        "settings/definition.html",
        status,
        definition=found,
        text=text,
        checked=checked,
        rows=rows,
        choices=CHOICES,
        can_have_rows=workflow_named(found.id).has_deadlines,
    )


def _json(text: str) -> JsonObject:
    try:
        whole = read_json(text)
    except ValueError as error:
        raise _invalid(f"is not JSON: {error}") from None
    if not isinstance(whole, dict):
        raise _invalid("must be a JSON object")
    return whole


def _invalid(message: str) -> InvalidRequest:
    return InvalidRequest(Problem(message=f"The text {message}", source="body"))


async def _checked(
    store: RecordStore,
    tenant_id: str,
    workflow: str,
    settings: Settings,
    wanted: WantedDefinition,
) -> Checked:
    await off_loop(check_definition, wanted, workflow_named(workflow))
    defaults = versions.platform_definition(tenant_id, workflow, settings)
    rule = versions.definition_of(wanted, defaults, None).approval
    return Checked([], rule, await _tried(store, tenant_id, workflow, rule))


async def _tried(
    store: RecordStore, tenant_id: str, workflow: str, rule: ApprovalRule
) -> list[Tried]:
    """The last executions that have results; none for a workflow without conditions."""
    if not workflow_named(workflow).has_deadlines or not rule.enabled:
        return []
    last = await store.query(
        tenant_id,
        Query(
            ExecutionRecord,
            {"workflow": workflow, "status": "completed"},
            limit=_TRIED,
            newest_first=True,
        ),
    )
    return [
        Tried(
            one.record,
            judge_all(
                rule.every_condition,
                facts_of(one.record.input, one.record.subject, one.record.results or {}),
                rule.on_unknown,
            ),
        )
        for one in last.items
    ]
