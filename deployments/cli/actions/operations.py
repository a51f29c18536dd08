"""Operations from the command line: started, done here, and the events that start them."""

from collections.abc import Awaitable, Mapping
from typing import Any
from uuid import uuid4

from api.executions.documents import Execution
from api.executions.shown import shown
from api.operations.documents import Run, run_of
from blocks.clock import utc_now
from blocks.contracts.events import JsonObject
from blocks.contracts.ids import SYSTEM_TENANT
from blocks.contracts.operations.platform_events import check_type
from blocks.contracts.records import ExecutionRecord
from blocks.contracts.rejections import MALFORMED_JSON, SCHEMA_INVALID, Rejected
from blocks.json_text import read_json, read_json_object
from blocks.operations import cms, digests, log_files, onboarding, runs, sales
from blocks.operations.events.posting import new_event, post
from blocks.operations.runs import known_operation
from blocks.operations.work import NotConfigured, never_stopped
from blocks.services import open_bus, open_store
from blocks.settings import load_settings
from deployments.cli.actions.following import follow
from deployments.cli.acts import audited
from deployments.printing import console, facts_of, say_json


def rotate_logs(*, as_json: bool) -> None:
    """The steps of log rotation are done, and their figures printed.

    Raises `NotConfigured` and `LogFilesFailed`; then the steps behind it are not done.
    """
    settings = load_settings().operations.log_rotation
    _show(
        {
            "rotate-logs": log_files.rotate(settings, never_stopped),
            "compress-old": log_files.compress_old(settings, never_stopped),
            "cleanup": log_files.delete_old(settings, never_stopped),
        },
        as_json=as_json,
    )


async def trigger_workflow(workflow: str, text: str, request_id: str | None, actor: str) -> Run:
    """The run is recorded and waits for dispatch.

    Raises `UnknownOperation`, `Rejected` for another input than a JSON object, `KeyReused`,
    `Unavailable`.
    """
    operation, given, settings = known_operation(workflow), read_input(text), load_settings()
    async with (
        open_store(settings) as store,
        open_bus(settings, "cli") as bus,
        audited(store, SYSTEM_TENANT, "workflows trigger", actor, workflow) as recorded,
    ):
        key = f"cli {request_id or uuid4()}"
        return run_of(await runs.trigger(recorded, bus, operation, given, key, actor))


async def follow_run(run: Run, limit_seconds: float) -> None:
    """The run has completed, and its progress was shown. Raises `NotCompleted`, `Unavailable`."""
    settings = load_settings()
    async with open_store(settings) as store:

        async def find() -> Execution:
            stored = await store.read(SYSTEM_TENANT, ExecutionRecord, run.execution_id)
            return await shown(store, stored.record, settings.prefect)

        await follow(find, run, limit_seconds)


async def publish(event_type: str, text: str, event_id: str | None) -> str:
    """The event's id; it is in the listener's queue. Raises `Rejected` for one that cannot be
    published, `Unavailable`.
    """
    event = new_event(event_type, read_payload(event_type, text), event_id)
    async with open_bus(load_settings(), "cli") as bus:
        await post(bus, event)
    return event.id


def read_input(text: str) -> JsonObject:
    """Raises `Rejected`."""
    try:
        return read_json_object(text)
    except ValueError as problem:
        raise Rejected(MALFORMED_JSON, f"--input: {problem}") from None


def read_payload(event_type: str, text: str) -> Any:
    """What the event states, if one of this type can be published. Raises `Rejected`."""
    try:
        check_type(event_type)
        return read_json(text)
    except ValueError as problem:
        raise Rejected(SCHEMA_INVALID, f"{event_type}: {problem}") from None


async def sync_cms(*, as_json: bool) -> None:
    """What has changed in the CMS is what readers see, and the figures are printed.

    Raises `NotConfigured`, `CmsUnavailable`, `Unavailable`.
    """
    settings = load_settings()
    place = cms.open_place(settings)
    async with open_store(settings) as store:
        fetched = await cms.fetch(store, settings.operations.cms_sync, place)
        updated = await cms.update_cache(store, settings.operations.cms_sync, place, fetched)
    _show({"fetch-cms": fetched, "update-cache": updated}, as_json=as_json)


async def onboard(given: JsonObject, *, as_json: bool) -> None:
    """The user is welcomed and known to the services, and the figures are printed; a step that has
    no service is left out.

    Raises `NotDelivered`, `ServiceFailed`, `Unavailable`.
    """
    settings, user = load_settings(), onboarding.user_in(given)
    part, notifications = settings.operations.user_onboarding, settings.notifications
    async with open_store(settings) as store:
        _show(
            {
                "send-welcome": await _or_reason(
                    onboarding.send_welcome(store, part, notifications, user)
                ),
                "setup-defaults": await _or_reason(onboarding.setup_defaults(store, part, user)),
                "assign-role": await _or_reason(onboarding.assign_role(store, part, user)),
                "create-workspace": await _or_reason(
                    onboarding.create_workspace(store, part, user)
                ),
            },
            as_json=as_json,
        )


async def send_digest(*, as_json: bool) -> None:
    """Each user has one mail about what happened since the last digest, and the figures are
    printed.

    Raises `ServiceFailed`, `DigestsFailed`, `NotConfigured`, `Unavailable`.
    """
    settings = load_settings()
    async with open_store(settings) as store:
        collected = await digests.collect(store, settings)
        compiled = await digests.compile_all(store, collected)
        sent = await digests.send_all(store, settings.notifications, collected)
    _show(
        {"collect-notifications": collected, "compile-digest": compiled, "send-emails": sent},
        as_json=as_json,
    )


async def run_sales(*, as_json: bool) -> None:
    """Sales are analysed and leads qualified, and the figures printed; a step that has no service
    is left out.

    Raises `ServiceFailed`, `Unavailable`.
    """
    settings, id, today = load_settings(), str(uuid4()), utc_now().date()
    part = settings.operations.sales_operations
    async with open_store(settings) as store:
        intelligence = await _or_reason(sales.analyse(store, part, id, {}, today))
        qualified = await _or_reason(sales.qualify_leads(store, part, id, intelligence))
    monitored = await _or_reason(sales.monitor_operations(part, today))
    _show(
        {
            "business-intel": intelligence,
            "lead-qualification": qualified,
            "ops-monitoring": monitored,
        },
        as_json=as_json,
    )


async def _or_reason(step: Awaitable[JsonObject]) -> JsonObject:
    """The figures of a step, or why there was nothing to do."""
    try:
        return await step
    except NotConfigured as reason:
        return {"skipped": True, "reason": str(reason)}


def _show(steps: Mapping[str, JsonObject], *, as_json: bool) -> None:
    if as_json:
        say_json(steps)
    else:
        for figures in steps.values():
            console().print(facts_of({name: _shown(value) for name, value in figures.items()}))


def _shown(figure: object) -> str | None:
    """A number, or a text; what has parts is for programs."""
    match figure:
        case bool() | str():
            return str(figure)
        case int() | float():
            return f"{figure:,}"
        case _:
            return None
