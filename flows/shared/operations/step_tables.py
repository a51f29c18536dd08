"""What the steps of operations found and did, row by row, as tables on the page of their run.

Contract: a table shows what is in the step's result, and no more. Pitfalls: cells come from outside
and are escaped; of a long list the first rows are shown.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec

from blocks.contracts.events import JsonObject
from blocks.contracts.operations import Operation, Step
from flows.shared import artifacts, markdown
from flows.shared.artifacts import Shown

ROWS_MAX = 200

Row = Mapping[str, object]


class Table(msgspec.Struct, frozen=True):
    """`rows`: of the step's result; without any, there is no table."""

    title: str
    rows: Callable[[JsonObject], Sequence[Row]]


async def show(operation: Operation, step: Step, result: JsonObject) -> None:
    """The page of the run has the table of this step, if it has one."""
    if shown := table_of(operation.id, step.id, result):
        await artifacts.show([shown])


def table_of(operation: str, step: str, result: JsonObject) -> Shown | None:
    table = TABLES.get((operation, step))
    rows = table.rows(result) if table else []
    if table is None or not rows:
        return None
    more = f" (the first {ROWS_MAX} of {len(rows):,})" if len(rows) > ROWS_MAX else ""
    cells = [{name: _cell(value) for name, value in row.items()} for row in rows[:ROWS_MAX]]
    return artifacts.table(cells, f"{table.title}{more}")


def _cell(value: Any) -> str:
    match value:
        case None:
            return ""
        case bool():
            return "yes" if value else "no"
        case int():
            return f"{value:,}"
        case float():
            return f"{value:,.1f}"
    return markdown.text(value)


def _columns(listed: str, **columns: str) -> Callable[[JsonObject], list[Row]]:
    """Rows from a list of objects in the result: the columns, by the fields that they show."""

    def rows(result: JsonObject) -> list[Row]:
        found = result.get(listed) or []
        return [{name: one.get(field) for name, field in columns.items()} for one in found]

    return rows


def _memory(result: JsonObject) -> list[Row]:
    before, after = result["redisBytesBefore"], result["redisBytesAfter"]
    return [{"what": "bytes that Redis uses", "before": before, "after": after}]


_PAGES = _columns("details", page="url", milliseconds="responseTime", bytes="bytes", error="error")


def _findings(listed: str) -> Callable[[JsonObject], list[Row]]:
    return _columns(listed, severity="severity", what="subject", problem="problem", remedy="remedy")


TABLES: Mapping[tuple[str, str], Table] = {
    ("cms-sync", "fetch-cms"): Table(
        "Content of the CMS",
        _columns("fetched", content="endpoint", items="count", changed="changed", error="error"),
    ),
    ("database-backup", "upload-backup"): Table(
        "Tables, and their rows in the database and in the restored copy",
        _columns("compared", backup="backup", table="table", rows="rows", restored="restored"),
    ),
    ("health-monitoring", "check-containers"): Table(
        "Containers", _columns("services", container="name", state="state", problem="error")
    ),
    ("health-monitoring", "check-services"): Table(
        "Endpoints",
        _columns("details", endpoint="name", milliseconds="responseTime", problem="error"),
    ),
    ("cache-warmup", "warmup-api"): Table("Pages of the API", _PAGES),
    ("cache-warmup", "warmup-cms"): Table("Pages of the CMS", _PAGES),
    ("cache-warmup", "warmup-session"): Table("Pages of sessions", _PAGES),
    ("log-rotation", "rotate-logs"): Table(
        "Logs that were rotated", _columns("files", log="file", bytes="bytes")
    ),
    ("log-rotation", "compress-old"): Table(
        "Files that were compressed",
        _columns("files", file="file", before="bytesBefore", after="bytesAfter"),
    ),
    ("log-rotation", "cleanup"): Table(
        "Files that were deleted", _columns("files", file="file", bytes="bytes")
    ),
    ("performance-optimization", "optimize-memory"): Table("Memory", _memory),
    ("performance-optimization", "optimize-db"): Table(
        "Tables that were vacuumed and analysed",
        _columns(
            "tables",
            **{
                "table": "table",
                "dead rows before": "deadRowsBefore",
                "after": "deadRowsAfter",
                "bytes before": "bytesBefore",
                "bytes after": "bytesAfter",
                "seconds": "seconds",
            },
        ),
    ),
    ("notification-digest", "send-emails"): Table(
        "Mails", _columns("mails", recipient="recipient", notifications="count", sent="sent")
    ),
    ("security-audit", "scan-vulnerabilities"): Table(
        "Known vulnerabilities", _findings("vulnerabilities")
    ),
    ("security-audit", "check-permissions"): Table(
        "Permissions, and what expires", _findings("violations")
    ),
    ("security-audit", "review-logs"): Table("Refused requests", _findings("suspicious")),
}
"""By operation and step."""
