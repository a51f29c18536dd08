"""What the runs of operations did, in words, and the table of them."""

import textwrap
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime

import msgspec
from rich.text import Text

from blocks.contracts.events import JsonObject
from blocks.contracts.operations import OPERATIONS
from deployments.printing import PlainTable, styled, table_of, text_of_lines

_COLOURS = {"completed": "green", "skipped": "yellow", "failed": "red"}
_WIDTH = 76


class Shown(msgspec.Struct, frozen=True):
    """A run that has ended, as the API returns it, and its page in Prefect's UI."""

    run: JsonObject
    url: str

    @property
    def outcome(self) -> str:
        """`completed`, `failed`, or `skipped` if every step was."""
        results: Mapping[str, JsonObject] = self.run["stepResults"]
        is_done = self.run["status"] == "completed"
        is_skipped = is_done and results and all(map(_reason_in, results.values()))
        return "skipped" if is_skipped else str(self.run["status"])


def summary_table(runs: Sequence[Shown]) -> PlainTable:
    """In the order of the operations' table; below what each did is the address of its page."""
    table = table_of("WORKFLOW", "OUTCOME", "TIME", "WHAT WAS DONE")
    order = [operation.id for operation in OPERATIONS]
    for shown in sorted(runs, key=lambda one: order.index(one.run["workflowId"])):
        table.add_row(
            shown.run["workflowId"],
            styled(shown.outcome, _COLOURS.get(shown.outcome)),
            f"{_seconds(shown.run):.1f} s",
            Text("\n").join(
                [
                    text_of_lines(textwrap.wrap(done_in(shown.run), _WIDTH)),
                    styled(shown.url, "dim"),
                ]
            ),
        )
    return table


def line_of(run: JsonObject) -> str:
    """A run that has ended, on one line."""
    return f"{run['workflowId']:<26}{run['status']:<11}{done_in(run)}"


def done_in(run: JsonObject) -> str:
    """What its steps did, the reasons of those that had nothing to do, and its error."""
    return "; ".join([*_steps(run["stepResults"]), *([run["error"]] if run.get("error") else [])])


def _steps(results: Mapping[str, JsonObject]) -> Iterator[str]:
    for step, result in results.items():
        if reason := _reason_in(result):
            yield f"{step} skipped: {reason}"
        elif step in _DONE and result.get("success"):
            yield _DONE[step](result)


def _reason_in(result: JsonObject) -> str | None:
    return str(result.get("reason")) if result.get("skipped") else None


def _seconds(run: JsonObject) -> float:
    ended, began = run.get("completedAt"), run["startedAt"]
    return (
        (datetime.fromisoformat(ended) - datetime.fromisoformat(began)).total_seconds()
        if ended
        else 0
    )


def _bytes(count: float) -> str:
    return f"{count / 1e6:,.1f} MB" if count >= 1e6 else f"{count / 1e3:,.1f} kB"


def _failing(result: JsonObject) -> str:
    failing = result["metrics"]["failing"]
    return f"{result['metrics']['checked']} parts checked, failing: {', '.join(failing) or 'none'}"


def _measured(result: JsonObject) -> str:
    host = f"processors {result['cpuUsage']:g} % busy, memory {result['memoryUsage']:g} % in use"
    rows = f", {result['deadRows']:,} dead rows" if "deadRows" in result else ""
    keys = f", {result['redisKeys']:,} keys in Redis" if "redisKeys" in result else ""
    return host + rows + keys


_DONE: Mapping[str, Callable[[JsonObject], str]] = {
    "fetch-cms": lambda did: (
        f"{did['endpointsSynced']} of {did['totalEndpoints']} parts of the CMS read, "
        f"{did['endpointsChanged']} changed"
    ),
    "update-cache": lambda did: f"{did['cacheUpdated']} files replaced",
    "notify": lambda did: f"{did['recipient']} notified" if did["notified"] else did["reason"],
    "create-backup": lambda did: f"{', '.join(did['databases'])} dumped, {_bytes(did['bytes'])}",
    "upload-backup": lambda did: (
        f"restored and compared: {did['tables']} tables, {did['rows']:,} rows"
    ),
    "cleanup-old": lambda did: f"{did['cleanedUp']} old backups deleted",
    "check-containers": lambda did: f"{did['healthy']} of {did['containersChecked']} containers up",
    "aggregate-metrics": _failing,
    "alert-if-needed": lambda did: f"{did['alertsSent']} alert sent",
    "warmup-api": lambda did: f"{did['endpointsWarmed']} pages of the API, {_bytes(did['bytes'])}",
    "warmup-cms": lambda did: f"{did['cmsWarmed']} of the CMS",
    "warmup-session": lambda did: f"{did['totalEndpoints']} of sessions",
    "business-intel": lambda did: (
        f"{did['insights']['leadsToday']} leads today, "
        f"{did['insights']['opportunitiesActive']} opportunities"
    ),
    "lead-qualification": lambda did: (
        f"{did['leadsQualified']} of {did['leadsChecked']} leads qualified"
    ),
    "ops-monitoring": lambda did: f"{did['opportunitiesOverdue']} overdue",
    "email-notifications": lambda did: f"{did['emailsSent']} report sent",
    "rotate-logs": lambda did: f"{did['logsRotated']} logs rotated, {_bytes(did['bytesRotated'])}",
    "compress-old": lambda did: (
        f"{did['filesCompressed']} compressed to {_bytes(did['bytesAfter'])}"
    ),
    "cleanup": lambda did: f"{did['filesDeleted']} deleted",
    "analyze-metrics": _measured,
    "optimize-memory": lambda did: f"{did['keysPurged']} keys purged",
    "optimize-db": lambda did: (
        f"{did['tablesVacuumed']} of {did['tablesChecked']} tables vacuumed, dead rows "
        f"{did['deadRowsBefore']:,} to {did['deadRowsAfter']:,}"
    ),
    "send-welcome": lambda did: "welcome mail sent",
    "setup-defaults": lambda did: "defaults set",
    "assign-role": lambda did: f"role {did['roleAssigned']}",
    "create-workspace": lambda did: f"workspace {did.get('workspaceId', 'made')}",
    "collect-notifications": lambda did: (
        f"{did['notificationsCollected']} notifications for {did['users']} users"
    ),
    "send-emails": lambda did: f"{did['digestsSent']} mails sent",
    "scan-vulnerabilities": lambda did: (
        f"{did['packagesChecked']} packages, {did['vulnerabilitiesFound']} vulnerable"
    ),
    "check-permissions": lambda did: (
        f"{did['pathsChecked'] + did['secretsChecked'] + did['rolesChecked']} files and roles, "
        f"{did['violationsFound']} violations"
    ),
    "review-logs": lambda did: f"{did['requestsRefused']} requests were refused",
    "generate-report": lambda did: f"report {did['storedAs']}",
}
"""By step; a step that is not here has nothing to add."""
