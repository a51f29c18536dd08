"""The batch jobs: when each is triggered, what a trigger contains, how late ticks are treated.

Source of ids, crons and metadata: the platform's batch job contract. The work itself is done by the
batch workers of risk-analytics (adaptive-learning for `cais-learning`), which may report how it
ended, by the job's name alone.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from datetime import date, timedelta
from typing import Literal

import msgspec

from blocks.contracts import events
from blocks.contracts.envelope import canonical_uuid
from blocks.contracts.reading.moments import YEAR_MAX, YEAR_MIN
from blocks.contracts.records import ExecutionRecord
from blocks.contracts.schedules.ticks import Scheduled

WORKFLOW = "batch-job"

TRIGGER_STEP = "trigger"
"""The step that is recorded when the broker has confirmed the trigger."""

REPORT_STEP = "report"
"""The step that is recorded when a batch worker has reported how the job ended."""

TriggeredBy = Literal["scheduler", "api", "cli", "prefect"]
"""Through which channel a trigger came; `prefect` is a run that a person started there."""

SCHEDULER: TriggeredBy = "scheduler"


def on_the_wire(triggered_by: str) -> str:
    """The platform knows `scheduler` and `api` alone: whatever no schedule made is the latter."""
    return triggered_by if triggered_by == SCHEDULER else "api"


def channel_of(triggered_by: str) -> str:
    """The channel as the trigger's metadata names it."""
    return "schedule" if triggered_by == SCHEDULER else triggered_by


class InvalidTrigger(Exception):
    """This trigger cannot be accepted: `field` is wrong, `accepted` describes valid values."""

    def __init__(self, field: str, problem: str, accepted: str) -> None:
        super().__init__(f"{field} {problem}; accepted: {accepted}")
        self.field = field
        self.problem = problem
        self.accepted = accepted


# --- what a trigger may contain -------------------------------------------------------------------


class Field(msgspec.Struct, frozen=True):
    """One piece of metadata: its name on the wire, what it may be in words, and the value as it is
    sent.

    `read` raises `ValueError` for a value it does not accept.
    """

    name: str
    accepted: str
    read: Callable[[object], object]


def _date(value: object) -> str:
    # Stricter than `fromisoformat`, which also takes 20260131 and 2026-W05-6.
    if not isinstance(value, str) or not re.fullmatch(r"\d{4}-\d{2}-\d{2}", value, re.ASCII):
        raise ValueError
    day = date.fromisoformat(value)
    if not YEAR_MIN <= day.year <= YEAR_MAX:
        raise ValueError
    return day.isoformat()


def _tenant(value: object) -> str:
    tenant_id = canonical_uuid(value) if isinstance(value, str) else None
    if tenant_id is None:
        raise ValueError
    return tenant_id


def _text(value: object) -> str:
    if not isinstance(value, str) or not value.strip() or len(value) > _TEXT_MAX:
        raise ValueError
    return value


def _days(value: object) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value <= _DAYS_MAX:
        raise ValueError
    return value


def _list_of(read: Callable[[object], object]) -> Callable[[object], object]:
    def read_list(value: object) -> list[object]:
        if not isinstance(value, list) or not 1 <= len(value) <= _LIST_MAX:
            raise ValueError
        return [read(item) for item in value]

    return read_list


_TEXT_MAX, _LIST_MAX, _DAYS_MAX = 200, 1000, 3650

FROM = Field("from", "a date, YYYY-MM-DD", _date)
TO = Field("to", "a date, YYYY-MM-DD, not before `from`", _date)
TENANT_IDS = Field("tenantIds", f"a list of 1 to {_LIST_MAX} UUIDs", _list_of(_tenant))
TENANT_ID = Field("tenantId", "a UUID", _tenant)
INDUSTRY_IDS = Field(
    "industryIds",
    f"a list of 1 to {_LIST_MAX} texts of 1 to {_TEXT_MAX} characters",
    _list_of(_text),
)
PERIOD = Field("period", f"a text of 1 to {_TEXT_MAX} characters", _text)
OUTCOMES_DAYS = Field("outcomesDays", f"a whole number, 1 to {_DAYS_MAX}", _days)

_TENANTS = (TENANT_IDS, TENANT_ID)


# --- the jobs -------------------------------------------------------------------------------------


class Job(Scheduled, frozen=True, kw_only=True):
    """One job. `cron` is its default schedule; times are those of the setting
    `batch_jobs.timezone`.
    """

    cron: str
    description: str
    fields: tuple[Field, ...] = ()
    report_within: timedelta = timedelta(hours=2)
    """From the confirmed trigger; a job that has not been reported by then is `unreported`."""
    names_days: bool = False
    """A tick's trigger names the whole days from the tick before to its own: a late tick still
    covers its own days.
    """
    active: bool = True
    worker: Literal["risk-analytics", "adaptive-learning"] = "risk-analytics"
    """The service whose batch worker carries it out, and ignores the jobs of the other."""

    @property
    def setting(self) -> str:
        """The key of its cron in the section `batch_jobs` of the settings."""
        return f"{self.id.replace('-', '_')}_cron"

    @property
    def variable(self) -> str:
        """The environment variable of its cron."""
        return self.setting.upper()

    @property
    def field_names(self) -> tuple[str, ...]:
        return tuple(field.name for field in self.fields)

    @property
    def takes_range(self) -> bool:
        return FROM in self.fields


JOBS = (
    Job(
        id="risk-snapshot-backfill",
        cron="0 1 * * 0",
        description=(
            "Copies risk evaluations of whole days from the data lake into risk snapshots; each "
            "tick, a week."
        ),
        fields=(FROM, TO),
        misfire="all",  # each tick names its own week: leaving one out would leave a hole
        max_lateness=timedelta(days=28),
        overlap="queue",
        report_within=timedelta(hours=4),
        names_days=True,
    ),
    Job(
        id="outcome-sync",
        cron="0 1 * * *",
        description="Publishes the outcomes of opportunities that closed in the last 24 hours.",
        fields=(TENANT_IDS,),
        # the worker looks back 24 hours from when it runs, so two late ticks would do the same
        misfire="latest",
        max_lateness=timedelta(hours=24),
        overlap="queue",
    ),
    Job(
        id="industry-benchmarks",
        cron="0 4 * * *",
        description="Calculates each tenant's industry benchmarks.",
        fields=(*_TENANTS, INDUSTRY_IDS, PERIOD),
        misfire="latest",
        max_lateness=timedelta(hours=12),
        overlap="skip",
    ),
    Job(
        id="risk-clustering",
        cron="0 2 * * *",
        description="Clusters risks and derives association rules.",
        fields=_TENANTS,
        misfire="latest",
        max_lateness=timedelta(hours=12),
        overlap="skip",
    ),
    Job(
        id="account-health",
        cron="0 3 * * *",
        description="Writes the health of each account.",
        fields=_TENANTS,
        misfire="latest",
        max_lateness=timedelta(hours=12),
        overlap="skip",
    ),
    Job(
        id="propagation",
        cron="0 5 * * *",
        description=(
            "Propagates risk between related accounts, over what the jobs of the same night "
            "have written."
        ),
        fields=_TENANTS,
        # by day its inputs change under it; the next night covers what this one missed
        misfire="skip",
        max_lateness=timedelta(hours=1),
        overlap="skip",
    ),
    Job(
        id="model-monitoring",
        cron="0 6 * * 0",
        description="Checks the models for drift and for loss of accuracy.",
        fields=_TENANTS,
        misfire="latest",
        max_lateness=timedelta(days=3),
        overlap="skip",
    ),
    Job(
        id="cais-learning",
        cron="0 7 * * *",
        description=(
            "Learns from recorded outcomes (adaptive-learning). Inactive unless "
            "CAIS_LEARNING_ENABLED is true."
        ),
        fields=(OUTCOMES_DAYS,),
        misfire="latest",
        max_lateness=timedelta(hours=12),
        overlap="skip",
        active=False,
        worker="adaptive-learning",
    ),
)

JOB_BY_ID: Mapping[str, Job] = {job.id: job for job in JOBS}


def job_named(id: str) -> Job:
    """Raises `InvalidTrigger` with the jobs there are."""
    if id not in JOB_BY_ID:
        raise InvalidTrigger("job", f"is {_shown(id)}", ", ".join(JOB_BY_ID))
    return JOB_BY_ID[id]


def checked_metadata(job: Job, metadata: Mapping[str, object]) -> events.JsonObject:
    """The metadata in its one spelling. Raises `InvalidTrigger` for the first invalid value."""
    fields = {field.name: field for field in job.fields}
    checked: events.JsonObject = {}
    for name, value in metadata.items():
        if name not in fields:
            raise InvalidTrigger(
                name[:80], f"is not taken by {job.id}", ", ".join(fields) or "no metadata"
            )
        try:
            checked[name] = fields[name].read(value)
        except ValueError:
            raise InvalidTrigger(name, f"is {_shown(value)}", fields[name].accepted) from None
    _check_range(checked)
    return checked


def _check_range(metadata: Mapping[str, object]) -> None:
    given = [field for field in (FROM, TO) if field.name in metadata]
    if len(given) == 1:
        [missing] = {FROM, TO} - set(given)
        raise InvalidTrigger(
            missing.name, "is missing", f"{missing.accepted}; `from` and `to` come together"
        )
    # The one spelling of dates compares as the dates do.
    if given and str(metadata["to"]) < str(metadata["from"]):
        raise InvalidTrigger(
            "to", f"is {metadata['to']}, before `from` {metadata['from']}", TO.accepted
        )


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:77]}…"


# --- ticks ----------------------------------------------------------------------------------------


def range_of_days(first: date, last: date) -> events.JsonObject:
    """The days as a trigger names them, both included."""
    return {FROM.name: first.isoformat(), TO.name: last.isoformat()}


def chunks(first: date, last: date, days: int) -> Iterator[tuple[date, date]]:
    """The range in pieces of this many whole days, both ends included; the last may be shorter."""
    count = (last - first).days + 1
    for start in range(0, count, days):
        yield first + timedelta(days=start), first + timedelta(days=min(start + days, count) - 1)


# --- the end --------------------------------------------------------------------------------------


def terminal_event(execution: ExecutionRecord) -> events.EventData:
    """How a job notifies operators that its outcome is unknown; a reported one needs no event."""
    assert execution.completed_at is not None
    return events.JobUnreported(
        job=execution.subject,
        execution_id=execution.id,
        triggered_by=on_the_wire(str(execution.input.get("triggeredBy", ""))),
        triggered_at=execution.started_at or execution.created_at,
        error=execution.error or f"the job was {execution.status}",
        timestamp=execution.completed_at,
    )
