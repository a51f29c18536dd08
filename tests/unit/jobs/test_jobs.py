"""The table of batch jobs: what a trigger may say, what becomes of a late tick, and that every file
says the same.
"""

from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from blocks.contracts.jobs import (
    JOB_BY_ID,
    JOBS,
    InvalidTrigger,
    checked_metadata,
    chunks,
    job_named,
    range_of_days,
)
from blocks.contracts.operations import OPERATIONS
from blocks.contracts.schedules.ticks import stale_reason
from blocks.settings import BadSetting, load_settings
from deployments.bootstrap.prefect_yaml import PREFECT_YAML, read_deployments
from deployments.bootstrap.schedules import scheduled
from tests.support.factories import A_TENANT

TICK = datetime(2026, 3, 1, 1, tzinfo=UTC)
MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
BACKFILL = JOB_BY_ID["risk-snapshot-backfill"]


# --- metadata -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("job", "metadata"),
    [
        ("risk-snapshot-backfill", {"from": "2026-01-01", "to": "2026-01-01"}),
        ("outcome-sync", {"tenantIds": [A_TENANT]}),
        (
            "industry-benchmarks",
            {"tenantId": A_TENANT, "industryIds": ["retail"], "period": "2026-Q1"},
        ),
        ("cais-learning", {"outcomesDays": 90}),
        ("propagation", {}),
    ],
)
def test_metadata_that_the_job_takes_is_accepted_as_it_is(
    job: str, metadata: dict[str, Any]
) -> None:
    assert metadata == checked_metadata(job_named(job), metadata)


def test_a_tenant_has_one_spelling() -> None:
    assert {"tenantId": A_TENANT} == checked_metadata(
        job_named("propagation"), {"tenantId": A_TENANT.upper()}
    )


@pytest.mark.parametrize(
    ("job", "metadata", "field"),
    [
        ("outcome-sync", {"from": "2026-01-01"}, "from"),
        ("risk-snapshot-backfill", {"from": "2026-02-30", "to": "2026-03-01"}, "from"),
        ("risk-snapshot-backfill", {"from": "20260201", "to": "2026-03-01"}, "from"),
        ("risk-snapshot-backfill", {"from": "2026-W05-6", "to": "2026-03-01"}, "from"),
        ("risk-snapshot-backfill", {"from": "٢٠٢٦-٠١-٠١", "to": "2026-03-01"}, "from"),
        ("risk-snapshot-backfill", {"from": "2026-03-01", "to": "2026-02-01"}, "to"),
        ("risk-snapshot-backfill", {"from": "2026-03-01"}, "to"),
        ("risk-snapshot-backfill", {"to": "2026-03-01"}, "from"),
        ("model-monitoring", {"tenantIds": []}, "tenantIds"),
        ("model-monitoring", {"tenantIds": ["acme"]}, "tenantIds"),
        ("model-monitoring", {"tenantId": 7}, "tenantId"),
        ("industry-benchmarks", {"industryIds": "retail"}, "industryIds"),
        ("industry-benchmarks", {"period": " "}, "period"),
        ("cais-learning", {"outcomesDays": True}, "outcomesDays"),
        ("cais-learning", {"outcomesDays": 0}, "outcomesDays"),
        ("propagation", {"__prefect_kind": "x"}, "__prefect_kind"),
    ],
)
def test_what_the_job_does_not_accept_is_refused_by_its_field(
    job: str, metadata: dict[str, Any], field: str
) -> None:
    with pytest.raises(InvalidTrigger, match="accepted: ") as refusal:
        checked_metadata(job_named(job), metadata)
    assert field == refusal.value.field


def test_an_unknown_job_is_refused_with_those_there_are() -> None:
    with pytest.raises(InvalidTrigger, match="outcome-sync"):
        job_named("outcome-sink")


# --- late ticks -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("job", "late", "newer_is_due", "runs"),
    [
        ("risk-clustering", 59 * timedelta(seconds=1), True, True),
        ("risk-clustering", 2 * HOUR, False, True),
        ("risk-clustering", 2 * HOUR, True, False),
        ("risk-clustering", 13 * HOUR, False, False),
        ("risk-snapshot-backfill", 15 * DAY, True, True),
        ("risk-snapshot-backfill", 29 * DAY, True, False),
        ("propagation", 59 * timedelta(seconds=1), False, True),
        ("propagation", 2 * MINUTE, False, False),
    ],
)
def test_a_late_tick_runs_as_the_jobs_rule_says(
    job: str, late: timedelta, newer_is_due: bool, runs: bool
) -> None:
    reason = stale_reason(
        JOB_BY_ID[job],
        tick=TICK,
        begun_at=TICK + late,
        late_after=MINUTE,
        newer_tick=TICK + late if newer_is_due else None,
    )

    assert runs == (reason is None)


def test_the_reason_names_tick_lateness_and_rule() -> None:
    reason = stale_reason(
        JOB_BY_ID["propagation"],
        tick=TICK,
        begun_at=TICK + 26 * HOUR,
        late_after=MINUTE,
        newer_tick=None,
    )

    expected = "the tick of 2026-03-01 01:00:00 UTC came 1 d 2 h late: propagation skips late ticks"
    assert expected == reason


def test_the_backfill_alone_names_days_as_its_fields_do() -> None:
    assert [BACKFILL] == [job for job in JOBS if job.names_days]
    days = range_of_days(date(2026, 2, 22), date(2026, 2, 28))
    assert {"from": "2026-02-22", "to": "2026-02-28"} == days == checked_metadata(BACKFILL, days)


# --- ranges ---------------------------------------------------------------------------------------


def test_six_months_by_the_week_are_twenty_six_triggers() -> None:
    pieces = list(chunks(date(2026, 1, 1), date(2026, 6, 30), 7))

    assert 26 == len(pieces)
    assert (date(2026, 6, 25), date(2026, 6, 30)) == pieces[-1]


@given(st.dates(date(2000, 1, 1), date(2100, 1, 1)), st.integers(0, 800), st.integers(1, 400))
def test_the_pieces_of_a_range_hold_each_of_its_days_once(
    first: date, length: int, days: int
) -> None:
    pieces = list(chunks(first, first + timedelta(days=length), days))

    covered = [
        start + timedelta(days=day)
        for start, end in pieces
        for day in range((end - start).days + 1)
    ]
    assert [first + timedelta(days=day) for day in range(length + 1)] == covered
    assert all((end - start).days < days for start, end in pieces)


# --- schedules ------------------------------------------------------------------------------------


def test_table_settings_and_prefect_yaml_say_the_same() -> None:
    settings = load_settings({})
    deployments = {deployment.name: deployment for deployment in read_deployments()}

    for job in JOBS:
        deployment = deployments[job.id]
        [schedule] = deployment.schedules
        assert (job.cron, job.cron) == (settings.batch_jobs.cron_of(job), schedule.cron)
        assert (job.active, job.active) == (settings.batch_jobs.is_active(job), schedule.active)
        assert (job.id, "UTC", job.id) == (
            schedule.slug,
            schedule.timezone,
            deployment.parameters["job"],
        )
        assert deployment == scheduled(deployment, settings)
    assert {deployment.twin for deployment in deployments.values() if deployment.schedules} == {
        *JOB_BY_ID,
        *(operation.id for operation in OPERATIONS if operation.cron),
    }


def test_every_description_in_prefect_yaml_is_that_of_the_table() -> None:
    described = {deployment.name: deployment.description for deployment in read_deployments()}
    assert {job.id: job.description for job in JOBS} == {job.id: described[job.id] for job in JOBS}


def test_crons_zone_and_activity_of_the_settings_are_deployed() -> None:
    settings = load_settings(
        {
            "OUTCOME_SYNC_CRON": "*/5 * * * *",
            "BATCH_JOBS_TIMEZONE": "Europe/Berlin",
            "CAIS_LEARNING_ENABLED": "true",
        }
    )
    deployed = {
        deployment.name: scheduled(deployment, settings) for deployment in read_deployments()
    }

    [sync], [learning] = deployed["outcome-sync"].schedules, deployed["cais-learning"].schedules
    assert ("*/5 * * * *", "Europe/Berlin", True) == (sync.cron, sync.timezone, learning.active)


def test_nothing_is_scheduled_when_batch_jobs_are_off() -> None:
    settings = load_settings({"BATCH_JOBS_ENABLED": "false", "CAIS_LEARNING_ENABLED": "true"})

    schedules = [
        schedule
        for stanza in read_deployments()
        if stanza.name in JOB_BY_ID
        for schedule in scheduled(stanza, settings).schedules
    ]
    assert {False} == {schedule.active for schedule in schedules}


@pytest.mark.parametrize("job", JOBS, ids=lambda job: job.id)
@pytest.mark.parametrize(
    "cron",
    [
        "0 25 * * *",
        "* * * *",
        "0 0 1 * * *",
        "0 0 31 2 *",
        "@daily",
        "0 0 L * *",
        "0 0 */2 * 1",
        "x",
        "_",
    ],
)
def test_a_bad_cron_is_refused_with_its_names_and_value(job: Any, cron: str) -> None:
    with pytest.raises(BadSetting) as refusal:
        load_settings({job.variable: cron})
    assert f"setting batch_jobs.{job.setting} ({job.variable}) is {cron!r}: " in str(refusal.value)


@pytest.mark.parametrize("name", ["Berlin", "../etc/passwd", "UTC+1"])
def test_a_bad_time_zone_is_refused_with_its_names_and_value(name: str) -> None:
    with pytest.raises(
        BadSetting, match=r"batch_jobs.timezone \(BATCH_JOBS_TIMEZONE\) is"
    ) as refusal:
        load_settings({"BATCH_JOBS_TIMEZONE": name})
    assert repr(name) in str(refusal.value)


@pytest.mark.parametrize(
    ("cron", "zone", "problem"), [("0 0 */2 * 1", "UTC", "two ways"), ("0 0 * * 1", "Mars", "IANA")]
)
def test_a_schedule_in_prefect_yaml_is_checked_as_those_of_the_settings(
    cron: str, zone: str, problem: str, tmp_path: Path
) -> None:
    file = tmp_path / "prefect.yaml"
    written = PREFECT_YAML.read_text().replace(
        'cron: "0 4 * * *", timezone: UTC', f'cron: "{cron}", timezone: {zone}'
    )
    file.write_text(written)

    with pytest.raises(
        BadSetting, match=f"schedule 'industry-benchmarks' of 'industry-benchmarks' is .*{problem}"
    ):
        read_deployments(file)
