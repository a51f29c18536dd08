"""Every command that prints what records hold: nothing of it is obeyed by the terminal, and nothing
is left out.
"""

import ast
import unicodedata
from collections.abc import Callable
from pathlib import Path

import pytest

from api.approvals import documents as approvals_api
from api.audit import documents as audit_api
from api.dead_letters import documents as letters_api
from api.definitions.documents import definition_of
from api.executions import documents as executions_api
from api.keys.documents import key_of
from blocks.contracts.records import TenantShare, Trigger
from blocks.contracts.records.audit import AuditChange
from blocks.contracts.records.dead_letters import DeadLetterBody, DeadLetterRecord, LetterEntry
from blocks.settings import load_settings
from deployments import printing
from deployments.cli.views.api_keys import _table as keys_table
from deployments.cli.views.approvals import print_approval, print_approvals
from deployments.cli.views.audit import print_entries
from deployments.cli.views.dead_letters import print_letter, print_letters
from deployments.cli.views.definitions import print_definition
from deployments.cli.views.executions import print_execution, print_executions
from deployments.doctor.finding import failed, warning
from deployments.doctor.report import print_json, print_report
from deployments.local.terminal import say, say_serious
from tests.support.factories import (
    A_TENANT,
    a_definition,
    a_step,
    an_api_key,
    an_approval,
    an_audit_entry,
    an_execution,
    new_id,
    now,
)

DEPLOYMENTS = Path(__file__).parents[3] / "deployments"

NASTY = (
    "\x1b[2J\x1b]0;owned\x07",
    "\x9b31m",
    "a[/foo]",
    "[red]a[/red] [link=http://x]b[/link] [[[",
    ":smile: \\[bold]",
    "\u202egpj.exe\u2066",
    "one\r\ntwo\x0b\x0c\x85\u2028three",
    "tab\tbell\x07null\x00",
    "株式会社 🙂 e\u0301\u200d",
)


def executions(text: str) -> None:
    trigger = Trigger(event_id=text, event_type=text, received_at=now(), digest="")
    one = an_execution(
        subject=text,
        workflow=text,
        error=text,
        error_code=text,
        failed_step=text,
        missing_steps=[text],
        triggers=[trigger],
    )
    for as_json in (False, True):
        print_executions([executions_api.summary_of(one)], as_json=as_json)
        steps = [a_step(step=text, result={text: text}), a_step(error=text)]
        print_execution(
            executions_api.document_of(one, steps, load_settings({}).prefect), as_json=as_json
        )


def approvals(text: str) -> None:
    one = an_approval(subject=text, summary=text, claimed_by=text, decided_by=text)
    for as_json in (False, True):
        print_approvals([approvals_api.summary_of(one)], as_json=as_json)
        print_approval(approvals_api.approval_of(one), one.history, as_json=as_json)


def letters(text: str) -> None:
    entry = LetterEntry(at=now(), what="replayed", actor=text, channel="cli", note=text)
    letter = DeadLetterRecord(
        id=new_id(),
        tenant_id=A_TENANT,
        created_at=now(),
        published_at=now(),
        headers={text: text},
        attempts=1,
        rejected_at=now(),
        size=7,
        digest="0" * 64,
        history=[entry],
        queue=text,
        message_id=text,
        routing_key=text,
        event_type=text,
        code=text,
        reason=text,
    )
    body = DeadLetterBody(
        id=letter.body_id,
        tenant_id=A_TENANT,
        created_at=now(),
        letter_id=letter.id,
        encoding="utf-8",
        content=text,
    )
    for as_json in (False, True):
        print_letters([letters_api.summary_of(letter)], as_json=as_json)
        document = letters_api.document_of(letter, body)
        print_letter(document, body_only=False, as_json=as_json)


def audit(text: str) -> None:
    change = AuditChange(
        kind="Execution", id=text, before={"subject": "a"}, after={"subject": text}
    )
    for entry in (
        an_audit_entry(actor=text, service=text, targets=[text]),
        an_audit_entry(changes=[change]),
    ):
        for as_json in (False, True):
            print_entries([audit_api.document_of(entry)], as_json=as_json)


def definitions(text: str) -> None:
    definition = a_definition(updated_at=now(), updated_by=text)
    for as_json in (False, True):
        print_definition(definition_of(definition, TenantShare()), as_json=as_json)


def keys(text: str) -> None:
    printing.console().print(keys_table([key_of(an_api_key(name=text))]))


def doctor(text: str) -> None:
    findings = [failed(text, text, text), warning("part", text, text)]
    print_report(findings, None)
    print_json(findings, None)


def stack(text: str) -> None:
    say("api", "failed", text)
    say_serious("api", text)


@pytest.mark.parametrize(
    "command", [executions, approvals, letters, audit, definitions, keys, doctor, stack]
)
@pytest.mark.parametrize("text", NASTY, ids=range(len(NASTY)))
def test_no_command_prints_a_text_that_the_terminal_obeys(
    command: Callable[[str], None], text: str, capsys: pytest.CaptureFixture[str]
) -> None:
    command(text)

    captured = capsys.readouterr()
    printed = captured.out + captured.err
    assert printed
    assert [] == [
        repr(char)
        for char in printed
        if char != "\n" and unicodedata.category(char) in ("Cc", "Cf", "Zl")
    ]


def test_square_brackets_are_printed_as_they_are(capsys: pytest.CaptureFixture[str]) -> None:
    one = an_execution(subject="a[/foo] [red]b[/red] :smile:")
    print_executions([executions_api.summary_of(one)], as_json=False)
    assert "a[/foo] [red]b[/red] :smile:" in capsys.readouterr().out


# --- the only door --------------------------------------------------------------------------------


def modules() -> list[tuple[str, ast.Module]]:
    files = sorted(DEPLOYMENTS.rglob("*.py"))
    return [(str(file.relative_to(DEPLOYMENTS)), ast.parse(file.read_text())) for file in files]


def test_tables_consoles_and_markup_come_from_one_module() -> None:
    forbidden = {"rich.console": {"Console"}, "rich.table": {"Table"}, "rich.markup": {"escape"}}
    live = {"cli/demo/display.py"}  # a live display needs a console of its own; its table is ours
    assert [] == [
        f"{name} imports {node.module}"
        for name, tree in modules()
        if name not in {"printing.py", *live}
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and node.module in forbidden
    ]


def test_what_is_echoed_is_a_fixed_text_or_made_plain() -> None:
    may = {
        "printing.py": "the door itself",
        "local/terminal.py": "the door of long-running commands",
        "cli/views/dead_letters.py": "bytes into a pipe",
        "cli/system/information.py": "documents of our own",
        "cli/system/openapi.py": "a document of our own",
        "cli/system/login_link.py": "an address of our own",
        "cli/commands/webhooks.py": "ids, secrets and numbers of our own",
    }
    assert [] == [
        f"{name}:{echo.lineno} {ast.unparse(echo)}"
        for name, tree in modules()
        if name not in may
        for echo in ast.walk(tree)
        if isinstance(echo, ast.Call)
        and ast.unparse(echo.func) == "click.echo"
        and not is_safe(echo)
    ]


def is_safe(echo: ast.Call) -> bool:
    argument = echo.args[0] if echo.args else ast.Constant("")
    if isinstance(argument, ast.Call):
        return ast.unparse(argument.func) in ("plain", "plain_lines")
    return isinstance(argument, ast.Constant)


def test_an_approval_of_an_unknown_amount_shows_that_it_is_unknown(
    capsys: pytest.CaptureFixture[str],
) -> None:
    approval = an_approval(amount=0.0, amount_known=False)

    print_approvals([approvals_api.summary_of(approval)], as_json=False)
    listed = capsys.readouterr().out
    print_approval(approvals_api.approval_of(approval), [], as_json=False)
    shown = capsys.readouterr().out

    assert "unknown" in listed
    assert "unknown" in shown


def test_no_id_is_cut_off_at_a_narrow_terminal(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setattr(printing, "_WIDTH_OF_A_FILE", 80)
    one = an_execution(subject=new_id())

    print_executions([executions_api.summary_of(one)], as_json=False)

    [_, line] = capsys.readouterr().out.splitlines()
    assert [one.id, one.workflow, one.subject, one.status] == line.split()[:4]
