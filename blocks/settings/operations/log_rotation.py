"""The settings of log rotation; docs/operations/log-rotation.md."""

from typing import Annotated

import msgspec

from blocks.contracts.reading.limits import Days
from blocks.settings.operations.schedule import Scheduled

Megabytes = Annotated[float, msgspec.Meta(ge=0, le=1e9)]
Hours = Annotated[float, msgspec.Meta(ge=0, le=8_760)]


class LogRotation(Scheduled, frozen=True, kw_only=True):
    paths: str
    """Log files, as patterns separated by commas: `/var/log/shop/*.log`; empty: none."""
    copytruncate: str
    """Those of them whose writers cannot open a new file: copied and truncated, which can lose
    lines.
    """
    reopen: str
    """`SIGNAL:PIDFILE`, separated by commas: who is asked to open its files again."""
    over_megabytes: Megabytes
    """Files of this size are rotated, and smaller ones are left; 0: every file with content."""
    quiet_hours: Hours
    """A rotated file is compressed when it was not written for so long."""
    kept_days: Days
    kept_megabytes: Megabytes
    """Of rotated files of one log, in all: beyond that the oldest are deleted; 0: no limit."""
