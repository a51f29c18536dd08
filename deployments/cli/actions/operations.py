"""Operations from the command line: started, done here, and the events that start them."""

from collections.abc import Mapping
from uuid import uuid4

from blocks.contracts.events import JsonObject
from blocks.contracts.ids import SYSTEM_TENANT
from blocks.contracts.operations.platform_events import check_type
from blocks.contracts.rejections import MALFORMED_JSON, SCHEMA_INVALID, Rejected
from blocks.json_text import read_json, read_json_object
from blocks.operations import cms, log_files, runs
from blocks.operations.events.posting import new_event, post
from blocks.operations.runs import known_operation
from blocks.operations.work import never_stopped
from blocks.services import open_bus, open_store
from blocks.settings import load_settings
from deployments.cli.acts import audited
from deployments.printing import console, facts_of, say_json, say_line


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


async def trigger_workflow(workflow: str, text: str, request_id: str | None, actor: str) -> None:
    """The run is recorded and waits for dispatch; its ids are printed.

    Raises `UnknownOperation`, `Rejected` for another input than a JSON object, `KeyReused`,
    `Unavailable`.
    """
    operation, settings = known_operation(workflow), load_settings()
    try:
        given = read_json_object(text)
    except ValueError as problem:
        raise Rejected(MALFORMED_JSON, f"--input: {problem}") from None
    async with (
        open_store(settings) as store,
        open_bus(settings, "cli") as bus,
        audited(store, SYSTEM_TENANT, "workflows trigger", actor, workflow) as recorded,
    ):
        key = f"cli {request_id or uuid4()}"
        run = await runs.trigger(recorded, bus, operation, given, key, actor)
    say_line(run.id)
    say_line(f"orchestrator executions show {run.execution.id} --tenant {SYSTEM_TENANT}")


async def publish(event_type: str, text: str, event_id: str | None) -> None:
    """The event is in the listener's queue, and its id is printed. Raises `Rejected` for one that
    cannot be published, `Unavailable`.
    """
    try:
        check_type(event_type)
        payload = read_json(text)
    except ValueError as problem:
        raise Rejected(SCHEMA_INVALID, f"{event_type}: {problem}") from None
    event = new_event(event_type, payload, event_id)
    async with open_bus(load_settings(), "cli") as bus:
        await post(bus, event)
    say_line(event.id)


async def sync_cms(*, as_json: bool) -> None:
    """What has changed in the CMS is what readers see, and the figures are printed.

    Raises `NotConfigured`, `CmsUnavailable`, `Unavailable`.
    """
    settings = load_settings()
    place = cms.open_place(settings)
    async with open_store(settings) as store:
        fetched = await cms.fetch(store, settings.operations.cms_sync, place)
        made_current = await cms.make_current(store, place, fetched)
    _show({"fetch-cms": fetched, "update-cache": made_current}, as_json=as_json)


def _show(steps: Mapping[str, JsonObject], *, as_json: bool) -> None:
    if as_json:
        say_json(steps)
    else:
        for figures in steps.values():
            counted = {name: value for name, value in figures.items() if isinstance(value, int)}
            console().print(facts_of({name: f"{value:,}" for name, value in counted.items()}))
