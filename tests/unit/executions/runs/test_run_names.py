"""What flow runs are called in Prefect."""

from datetime import UTC, datetime

from blocks.executions.run_names import (
    NAME_LENGTH_MAX,
    approval_run_name,
    run_name,
    tick_name,
)

ANALYSIS = "opportunity-analysis"


def test_a_run_of_one_is_named_for_its_subject() -> None:
    assert "Opportunity 0063X000004C92r" == run_name(ANALYSIS, {"e-1": "0063X000004C92r"})
    assert "Opportunity 0063X000004C92r: approval" == approval_run_name(
        ANALYSIS, "e-1", "0063X000004C92r"
    )


def test_a_run_of_several_names_all_subjects_or_counts_them() -> None:
    few = {"e-1": "0063X1", "e-2": "0063X2"}
    many = {f"e-{number}": f"0063X000004C{number:04}" for number in range(23)}

    assert "2 opportunities: 0063X1, 0063X2" == run_name(ANALYSIS, few)
    assert "23 opportunities" == run_name(ANALYSIS, many)


def test_a_run_whose_subject_is_not_known_is_named_for_its_execution() -> None:
    assert "Execution e-1" == run_name(ANALYSIS, {"e-1": ""})
    assert "2 opportunities" == run_name(ANALYSIS, {"e-1": "", "e-2": "0063X2"})
    assert "Execution 0063X1" == run_name("a-workflow-of-a-later-version", {"e-1": "0063X1"})


def test_a_subject_from_outside_cannot_bend_or_stretch_a_name() -> None:
    name = run_name(ANALYSIS, {"e-1": "Acme\x1b[31m\n\u202eevil" + "x" * 10_000})

    assert name.startswith("Opportunity Acme\\x1b[31m\\n\\u202eevil")
    assert name.isprintable()
    assert len(name) <= NAME_LENGTH_MAX
    assert len(approval_run_name(ANALYSIS, "e-1", "x" * 10_000)) <= NAME_LENGTH_MAX


def test_a_tick_is_named_for_its_job_and_time() -> None:
    at = datetime(2026, 11, 29, 1, tzinfo=UTC)
    assert "outcome-sync 2026-11-29 01:00" == tick_name("outcome-sync", at)


def test_the_name_of_a_jobs_run_is_bounded_and_plain_whatever_stands_as_its_job() -> None:
    name = tick_name("\x1b[31m" + "j" * 100_000, datetime(2026, 11, 29, 1, tzinfo=UTC))

    assert name.isprintable()
    assert len(name) <= NAME_LENGTH_MAX
