"""The work of operations, done from the command line."""

from collections.abc import Mapping

from blocks.contracts.events import JsonObject
from blocks.operations import cms, log_files
from blocks.operations.work import never_stopped
from blocks.services import open_store
from blocks.settings import load_settings
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
