"""The configuration file has nothing that sets nothing."""

import os

from blocks.settings.configuration_file import VARIABLE
from deployments.doctor.connections import Connections
from deployments.doctor.finding import Finding, ok, warning

PART = "settings"


async def configuration(connections: Connections) -> list[Finding]:
    """A line for each note on the file; one line if there is none."""
    notes = connections.settings.notes
    if not notes:
        file = os.environ.get(VARIABLE)
        return [ok(PART, f"all of {file} is in force" if file else f"no file ({VARIABLE})")]
    return [
        warning(PART, note.text, "correct the file; docs/deploy.md lists its keys")
        if note.level == "warning"
        else ok(PART, note.text)
        for note in notes
    ]
