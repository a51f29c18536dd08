"""The report of a flow run in Prefect: what it shows, and that no text from outside can bend it."""

import json
import re
from contextvars import ContextVar
from datetime import timedelta
from types import SimpleNamespace
from typing import Any, cast
from uuid import uuid4

import pytest
from markdown_it import MarkdownIt
from markdown_it.token import Token
from prefect.client.schemas.objects import FlowRun, FlowRunPolicy
from prefect.context import FlowRunContext

from blocks.contracts.records import ExecutionRecord
from blocks.settings import Settings, load_settings
from flows.shared import markdown, run_report
from flows.shared.artifacts import Shown
from flows.shared.run_report import ROWS_MAX, report_of
from tests.support.factories import A_TENANT, a_step, an_execution, now

RUN = "019a3f0c-5d1e-7b2a-9c4d-6e8f01234567"
API = {"PUBLIC_URL": "https://api.customer.example"}

HOSTILE = (
    "[Pay here](javascript:alert(1))",
    "![x](https://evil.example/pixel.png)",
    "<img src=x onerror=alert(1)><script>alert(1)</script>",
    "https://evil.example www.evil.example someone@evil.example",
    "<https://evil.example>",
    "a | b | c",
    "`code` **bold** _it_ ~~gone~~ &lt; &#x202e;",
    "# title\n\n- list\n\n1. one\n\n[ref]: https://evil.example\n\n[ref]",
    "\u202e\x1b[31mred\x00",
    "ends in a backslash \\",
)


def settings_with(**variables: str) -> Settings:
    return load_settings(variables)


def an_ended(**changes: Any) -> ExecutionRecord:
    at = now()
    times = {
        "created_at": at,
        "started_at": at + timedelta(seconds=1),
        "completed_at": at + timedelta(seconds=4.5),
    }
    return an_execution(**{"status": "completed", "flow_run_id": RUN, **times, **changes})


def page_of(record: ExecutionRecord, *steps: Any, **variables: str) -> str:
    [shown] = report_of([record], steps, settings_with(**variables))
    assert "markdown" == shown.type
    assert isinstance(shown.data, str)
    return shown.data


def table_of(records: list[ExecutionRecord], **variables: str) -> tuple[Shown, list[Any]]:
    [shown] = report_of(records, [], settings_with(**variables))
    return shown, json.loads(str(shown.data))


def tokens_of(content: str) -> list[Token]:
    parser = MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"])
    return [inner for token in parser.parse(content) for inner in (token, *(token.children or ()))]


def test_a_page_shows_what_was_asked_and_found_and_where_the_record_is() -> None:
    record = an_ended(subject="0063X000004C92r")
    step = a_step(
        execution_id=record.id,
        completed_at=(record.started_at or now()) + timedelta(seconds=2),
        result={"riskScore": 0.42, "detectedRisks": [1, 2], "evaluationId": "e-1"},
    )

    page = page_of(record, step, **API)

    assert page.startswith("# Opportunity 0063X000004C92r: completed\n")
    assert r"| Asked | Opportunity analysis\: 0063X000004C92r" in page
    assert "integration\\.opportunity\\.updated" in page
    assert "| 2.0 s | riskScore 0\\.42\\, detectedRisks 2 |" in page
    assert "4.5 s, 1.0 s until it began" in page
    assert f"https://api.customer.example/api/v1/executions/{record.id}" in page
    assert f"`orchestrator executions show {record.id} --tenant {A_TENANT}`" in page


def test_without_a_public_address_a_page_names_the_command_alone() -> None:
    page = page_of(an_ended())

    assert "orchestrator executions show" in page
    assert "](" not in page


def test_a_page_shows_who_decided_and_why_it_failed() -> None:
    record = an_ended(
        status="failed",
        error="rejected by eve@customer.example",
        error_code="APPROVAL_REJECTED",
        results={
            "approval": {
                "outcome": "rejected",
                "decidedBy": "eve@customer.example",
                "decidedThrough": "link",
                "comment": "too risky",
            }
        },
    )

    page = page_of(record)

    assert "failed: rejected by eve\\@customer\\.example (APPROVAL\\_REJECTED)" in page
    assert "rejected by eve\\@customer\\.example, through link: too risky" in page


@pytest.mark.parametrize("hostile", HOSTILE)
def test_no_text_from_outside_becomes_a_link_an_image_or_markup(hostile: str) -> None:
    record = an_ended(
        subject=hostile,
        status="failed",
        error=hostile,
        failed_step=hostile,
        missing_steps=[hostile],
        results={"approval": {"outcome": hostile, "decidedBy": hostile, "comment": hostile}},
    )
    step = a_step(execution_id=record.id, result={hostile: hostile, "list": [hostile]})
    shown, [row, _] = table_of([record, an_ended()])

    page = page_of(record, step)

    for content in (page, str(shown.description), *row.values()):
        kinds = {token.type for token in tokens_of(content)}
        assert not kinds & {"link_open", "image", "html_inline", "html_block", "s_open", "em_open"}
        # what GitHub's dialect makes a link of without any markup
        assert not re.search(r"https?://|www\.|[a-z0-9]@[a-z]", content)
        assert all(char.isprintable() or char == "\n" for char in content)
    shape = [len(re.findall(r"(?<!\\)\|", line)) for line in page.splitlines() if line[:1] == "|"]
    assert {3, 5} == set(shape)  # two tables, no cell more


@pytest.mark.parametrize("hostile", HOSTILE[:7])
def test_what_is_escaped_is_shown_as_it_came(hostile: str) -> None:
    shown = "".join(
        token.content
        for token in tokens_of(markdown.text(hostile))
        if token.type in ("text", "text_special")
    )
    assert hostile == shown


def test_a_batch_has_a_table_of_its_executions_and_their_sums() -> None:
    failed = an_ended(subject="0063X2", status="failed", error="risk_analysis was not answered")
    shown, rows = table_of([an_ended(subject="0063X1"), failed, an_ended(subject="0063X3")], **API)

    assert "table" == shown.type
    assert str(shown.description).startswith("**3 opportunities: 2 completed, 1 failed**, 3.5 s")
    assert ["0063X2", "0063X1", "0063X3"] == [row["subject"] for row in rows]
    assert ["failed", "completed", "completed"] == [row["outcome"] for row in rows]
    assert "risk\\_analysis was not answered" == rows[0]["error"]
    assert f"https://api.customer.example/api/v1/executions/{failed.id}" in rows[0]["execution"]


def test_the_table_of_a_large_batch_is_bounded_and_keeps_what_failed() -> None:
    records = [an_ended(subject="x" * 10_000) for _ in range(500)]
    failed = an_ended(status="failed", error="e" * 100_000)
    shown, rows = table_of([*records, failed])

    assert ROWS_MAX == len(rows)
    assert "failed" == rows[0]["outcome"]
    assert "301 more are not in this table" in str(shown.description)
    assert len(str(shown.data)) < 100_000


def test_a_page_is_bounded() -> None:
    record = an_ended(
        subject="x" * 100_000,
        error="e" * 100_000,
        results={"approval": {"outcome": "approved", "comment": "c" * 100_000}},
    )
    steps = [
        a_step(execution_id=record.id, step=step, result={"text": "r" * 100_000})
        for step in ("risk_analysis", "forecast")
    ]

    assert len(page_of(record, *steps)) < 5_000


def test_a_run_without_executions_has_no_report() -> None:
    assert [] == report_of([], [], settings_with())


@pytest.mark.parametrize(
    ("starts", "suspensions", "has_page"),
    [(1, [], True), (2, [], True), (1, ["gate"], False), (2, ["gate"], False)],
)
async def test_a_run_has_its_page_before_it_is_first_suspended_however_often_it_was_started(
    starts: int, suspensions: list[str], has_page: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    shown: list[object] = []

    async def keep(context: object, records: object) -> None:
        shown.append(records)

    monkeypatch.setattr(run_report, "report", keep)
    policy = FlowRunPolicy(pause_keys=set(suspensions))
    run = FlowRun(flow_id=uuid4(), run_count=starts, empirical_policy=policy)
    of_run: ContextVar[Any] = FlowRunContext.__var__
    context: Any = SimpleNamespace(flow_run=run)
    token = of_run.set(context)
    try:
        await run_report.report_before_the_gate(cast(Any, None), an_execution())
    finally:
        of_run.reset(token)

    assert has_page == bool(shown)


# --- operations -----------------------------------------------------------------------------------


def test_figures_of_an_operation_are_shown_without_what_every_step_has() -> None:
    record = an_ended(workflow="log-rotation", subject="by hand")
    figures = {"success": True, "bytesRotated": 4_000, "files": ["a", "b"], "timestamp": "now"}
    step = a_step(execution_id=record.id, step="rotate-logs", result=figures)

    page = page_of(record, step)

    assert r"| Asked | Log Rotation \& Cleanup\: by hand" in page
    assert r"bytesRotated 4\,000\, files 2 |" in page
    assert "success" not in page


def test_a_step_that_was_skipped_shows_its_reason_alone() -> None:
    record = an_ended(workflow="log-rotation", subject="by hand")
    skipped = {"skipped": True, "reason": "no log files are named"}
    step = a_step(execution_id=record.id, step="rotate-logs", status="skipped", result=skipped)

    assert "| no log files are named |" in page_of(record, step)
