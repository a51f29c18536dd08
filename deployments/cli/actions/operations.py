"""The work of operations, done from the command line."""

from collections.abc import Mapping

from blocks.contracts.events import JsonObject
from blocks.operations import log_files
from blocks.operations.work import never_stopped
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


def _show(steps: Mapping[str, JsonObject], *, as_json: bool) -> None:
    if as_json:
        say_json(steps)
    else:
        for figures in steps.values():
            console().print(facts_of({name: f"{value:,}" for name, value in figures.items()}))
