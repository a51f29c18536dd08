"""A tenant in the middle of its work: records of every kind that a page shows."""

import random
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import msgspec
from msgspec.structs import replace

from blocks.contracts.analysis import ANALYSIS_STEPS
from blocks.contracts.approvals import (
    ApprovalPolicy,
    ApprovalRule,
    Approvers,
    Condition,
    Decision,
    HistoryEntry,
    Question,
    Stage,
)
from blocks.contracts.ids import SYSTEM_TENANT
from blocks.contracts.jobs import JOBS
from blocks.contracts.records import ExecutionRecord, Record, StepRecord
from blocks.contracts.records.audit import AuditChange
from blocks.contracts.records.executions import RefusedAnswer
from blocks.contracts.records.operations import EventRecord
from blocks.ports import Message
from tests.support.factories import (
    A_TENANT,
    ANOTHER_TENANT,
    a_dead_letter,
    a_definition,
    a_stand_in,
    a_step,
    a_tenant_record,
    a_webhook,
    an_api_key,
    an_approval,
    an_audit_entry,
    an_execution,
    new_id,
    now,
)

ANALYSIS = "opportunity-analysis"

NAMES = (
    "Northwind renewal 2027",
    "Contoso expansion",
    "Fabrikam pilot",
    "Adatum upsell",
    "Tailwind migration",
    "Litware support plan",
    "Wingtip rollout",
    "Proseware licences",
    "Woodgrove analytics",
    "Fourth Coffee franchise",
    "Alpine Ski House seats",
    "Trey Research data plan",
)

RISKS = (
    ("No contact with the budget owner", "high", 0.34, "Last talked to on 2 November."),
    ("Procurement has not begun", "medium", 0.21, "Similar deals take six weeks from there."),
    ("A competitor is in the account", "medium", 0.17, "Named in two of five calls."),
)
ADVICE = (
    ("Call the economic buyer", 0.91, "No one has talked to the budget owner for three weeks."),
    ("Bring legal in now", 0.78, "The open clause has delayed similar deals by a month."),
    ("Offer a pilot first", 0.64, "Seven of nine comparable deals began with one."),
)


class Company:
    """`records` are to be created, `letters` to be kept; the ids are of what has a page."""

    def __init__(self) -> None:
        self._draw = random.Random(7)
        self._at = now()
        self.completed, self.running = new_id(), new_id()
        self.failed, self.staged = new_id(), new_id()
        self.letters = list(_letters(self._at))
        self.records: list[Record] = [
            *map(_triggered, self._analyses()),
            *map(_triggered, self._approvals()),
            *self._jobs(),
            *self._events(),
            *self._settings(),
            *self._audit(),
            *self._neighbours(),
        ]

    def _ago(self, **amount: float) -> datetime:
        return self._at - timedelta(**amount)

    # --- analyses -----------------------------------------------------------------------------

    def _analyses(self) -> Iterator[Record]:
        for number in range(64):
            yield self._ended(number, self._ago(minutes=17 + number * 22))
        begin = self._ago(seconds=9)
        running = an_execution(
            id=self.running,
            subject="Contoso expansion",
            status="running",
            created_at=begin,
            started_at=begin + timedelta(seconds=0.4),
            updated_at=begin,
            attempt=1,
            flow_run_id=new_id(),
        )
        yield running
        yield from list(_steps(running, begin))[:2]
        for name in NAMES[4:7]:
            yield an_execution(subject=name, created_at=self._ago(seconds=self._draw.randint(1, 4)))
        done = self._finished(self.completed, NAMES[0], self._ago(minutes=4), seconds=11.8)
        yield done
        yield from _steps(done, done.created_at)
        failed = an_execution(
            id=self.failed,
            subject="Fabrikam pilot",
            status="failed",
            created_at=self._ago(minutes=9),
            started_at=self._ago(minutes=9),
            completed_at=self._ago(minutes=4),
            updated_at=self._ago(minutes=4),
            error="forecasting did not answer within 300 s",
            error_code="step-timed-out",
            failed_step="forecast",
            attempt=1,
            refused_answers=[
                RefusedAnswer(
                    step="forecast",
                    code="schema-invalid",
                    reason="confidence must be <= 1 (is 87)",
                    event_id=new_id(),
                    dead_letter_id=new_id(),
                    at=self._ago(minutes=8),
                )
            ],
        )
        yield failed
        for step in _steps(failed, failed.created_at):
            if step.step == "forecast":
                yield replace(
                    step,
                    status="failed",
                    result=None,
                    error="forecasting did not answer within 300 s",
                    error_code="step-timed-out",
                    completed_at=self._ago(minutes=4),
                )
            else:
                yield step

    def _ended(self, number: int, at: datetime) -> ExecutionRecord:
        name = NAMES[number % len(NAMES)]
        took = self._draw.lognormvariate(2.4, 0.4)
        if number % 17 == 11:
            return an_execution(
                subject=name,
                status="failed",
                created_at=at,
                started_at=at,
                completed_at=at + timedelta(seconds=300),
                updated_at=at,
                error="risk-analytics: the opportunity's history could not be read",
                failed_step="risk_analysis",
            )
        if number % 23 == 7:
            return an_execution(
                subject=name, status="cancelled", created_at=at, completed_at=at, updated_at=at
            )
        return self._finished(new_id(), name, at, seconds=took)

    def _finished(self, id: str, name: str, at: datetime, *, seconds: float) -> ExecutionRecord:
        return an_execution(
            id=id,
            subject=name,
            status="completed",
            created_at=at,
            started_at=at + timedelta(seconds=0.4),
            completed_at=at + timedelta(seconds=seconds),
            announced_at=at + timedelta(seconds=seconds),
            updated_at=at,
            attempt=1,
            flow_run_id=new_id(),
            definition_version=3,
            input={"amount": 1_240_000.0, "stage": "negotiation", "closeDate": "2027-01-31"},
            results=_found(),
        )

    # --- approvals ----------------------------------------------------------------------------

    def _approvals(self) -> Iterator[Record]:
        asked = self._ago(hours=26)
        held = an_execution(
            subject="Woodgrove analytics",
            status="awaiting_approval",
            created_at=asked - timedelta(seconds=12),
            started_at=asked - timedelta(seconds=11),
            updated_at=asked,
            attempt=1,
            results=_found(),
            approval_ids=[self.staged],
        )
        yield held
        yield from _steps(held, held.created_at)
        finance = Approvers(users=("fatima.haddad", "jonas.lind"))
        manager = ApprovalPolicy(approvers=Approvers(users=("ann.weaver",)))
        yield an_approval(
            id=self.staged,
            subject="Woodgrove analytics",
            opportunity_id="Woodgrove analytics",
            execution_id=held.id,
            summary="Three years of the analytics module at **18 % off**, with a clause that lets "
            "Woodgrove leave after the first. The list price is 1.51 m.",
            context=_found(),
            risk_score=0.84,
            amount=1_240_000.0,
            created_at=asked,
            requested_at=asked,
            due_at=self._ago(hours=2),
            expires_at=self._at + timedelta(hours=46),
            on_expiry="escalate",
            owner_id="marta.silva",
            policy=ApprovalPolicy(approvers=finance, quorum=1, reason_required="on-reject"),
            stages=[
                Stage(name="Manager", policy=manager),
                Stage(name="Finance", policy=ApprovalPolicy(approvers=finance)),
                Stage(name="Board", policy=ApprovalPolicy(approvers=Approvers(roles=("board",)))),
            ],
            stage="Finance",
            stage_began_at=self._ago(hours=20),
            questions=[
                Question(
                    text="Which margin is left after the discount?",
                    actor="fatima.haddad",
                    at=self._ago(hours=19),
                    stage="Finance",
                    answer="31 %, two points above the floor of this segment.",
                    answered_by="marta.silva",
                    answered_at=self._ago(hours=17),
                )
            ],
            decisions=[
                Decision(
                    actor="bob.okafor",
                    channel="page",
                    outcome="approved",
                    at=self._ago(hours=20),
                    on_behalf_of="ann.weaver",
                    stage="Manager",
                    reason="Strategic account, the risk is known.",
                )
            ],
            history=[
                HistoryEntry(what="requested", at=asked),
                HistoryEntry(
                    what="voted",
                    at=self._ago(hours=20),
                    actor="bob.okafor",
                    on_behalf_of="ann.weaver",
                    channel="page",
                    outcome="approved",
                    note="Strategic account, the risk is known.",
                    stage="Manager",
                ),
                HistoryEntry(what="advanced", at=self._ago(hours=20), stage="Finance"),
                HistoryEntry(
                    what="questioned",
                    at=self._ago(hours=19),
                    actor="fatima.haddad",
                    channel="page",
                    note="Which margin is left after the discount?",
                    stage="Finance",
                ),
                HistoryEntry(
                    what="answered",
                    at=self._ago(hours=17),
                    actor="marta.silva",
                    channel="api",
                    note="31 %, two points above the floor of this segment.",
                ),
                HistoryEntry(what="reminded", at=self._ago(hours=2)),
            ],
        )
        yield a_stand_in(person="jonas.lind", stand_in="ann", ends_at=self._at + timedelta(days=4))
        for name, hours, due, amount, risk, by in (
            ("Northwind renewal 2027", 7, 5, 1_240_000, 0.81, "marta.silva"),
            ("Tailwind migration", 5, 19, 380_000, 0.55, "marta.silva"),
            ("Proseware licences", 3, 21, 96_500, 0.32, "igor.petrov"),
            ("Credit limit of Litware", 2, 22, 50_000, 0, "billing"),
        ):
            yield an_approval(
                subject=name,
                opportunity_id=None,
                execution_id=None,
                workflow=None if by == "billing" else ANALYSIS,
                amount=float(amount),
                risk_score=risk,
                requested_by=by,
                created_at=self._ago(hours=hours),
                requested_at=self._ago(hours=hours),
                due_at=self._at + timedelta(hours=due),
                policy=ApprovalPolicy(quorum=2 if amount > 1_000_000 else 1),
            )

    # --- jobs and events ----------------------------------------------------------------------

    def _jobs(self) -> Iterator[Record]:
        for place, job in enumerate(JOBS):
            for day in range(34 - place * 5):
                at = self._ago(days=day, hours=3 + place)
                ending = "unreported" if (day * 7 + place) % 19 == 13 else "completed"
                if (day + place) % 23 == 9:
                    ending = "failed"
                yield an_execution(
                    tenant_id=SYSTEM_TENANT,
                    workflow="batch-job",
                    subject=job.id,
                    status=ending,
                    created_at=at,
                    started_at=at,
                    updated_at=at,
                    completed_at=at + timedelta(seconds=self._draw.uniform(40, 400)),
                    error=None
                    if ending == "completed"
                    else "the worker reported no end within 2 h",
                    input={"metadata": {}, "triggeredBy": "scheduler"},
                )

    def _events(self) -> Iterator[Record]:
        for number, (kind, source, payload) in enumerate(
            (
                ("user.registered", "auth", {"userId": "u-20817", "plan": "growth"}),
                ("order.placed", "shop", {"orderId": "o-55120", "total": 129.9, "currency": "eur"}),
                ("content.published", "cms", {"slug": "spring-release", "locale": "en"}),
                ("user.registered", "auth", {"userId": "u-20816", "plan": "free"}),
                ("backup.requested", "operations", {"by": "olga.brandt"}),
                ("order.placed", "shop", {"orderId": "o-55119", "total": 48.0, "currency": "eur"}),
                ("user.deleted", "auth", {"userId": "u-18233", "reason": "by request"}),
            )
        ):
            at = self._ago(minutes=3 + 11 * number)
            yield EventRecord(
                id=new_id(),
                tenant_id=SYSTEM_TENANT,
                created_at=at,
                event_id=new_id(),
                event_type=kind,
                payload=payload,
                occurred_at=at,
                source=source,
                digest="0" * 64,
            )

    # --- settings -----------------------------------------------------------------------------

    def _settings(self) -> Iterator[Record]:
        for name, roles, used, days, revoked in (
            ("crm-sync", ["operator"], 2, 310, False),
            ("nightly-report", ["viewer"], 540, 24, False),
            ("approvals-mobile", ["approver", "viewer"], 31, 87, False),
            ("crm-sync", ["operator"], 60 * 24 * 9, 5, True),
        ):
            yield an_api_key(
                name=name,
                roles=roles,
                created_at=self._ago(days=60),
                last_used_at=self._ago(minutes=used),
                expires_at=self._at + timedelta(days=days),
                revoked_at=self._ago(days=8) if revoked else None,
            )
        yield a_webhook(
            url="https://hooks.northwind.example/approvals", created_at=self._ago(days=41)
        )
        yield a_webhook(
            url="https://chat.northwind.example/services/T02/B7KQ/incoming",
            event_types=["hitl.approval.requested", "hitl.approval.completed"],
            created_at=self._ago(days=6),
        )
        yield a_definition(
            version=3,
            updated_at=self._ago(days=12),
            updated_by="ada.moreau",
            approval=_rule(),
        )

    def _audit(self) -> Iterator[Record]:
        changes = [
            AuditChange(
                kind="definition",
                id=ANALYSIS,
                before={"approval": {"minAmount": 1_000_000}},
                after={"approval": {"minAmount": 500_000}},
            )
        ]
        for minutes, actor, action, channel, credential, result, targets, changed in (
            (6, "ann.weaver", "approval.decide", "page", "user-token", "done", [self.staged], []),
            (14, "key:crm-sync", "execution.start", "api", "api-key", "done", [self.running], []),
            (41, "olga.brandt", "execution.retry", "cli", "terminal", "done", [self.failed], []),
            (95, "bob.okafor", "key.create", "page", "user-token", "refused", [], []),
            (
                190,
                "ada.moreau",
                "definition.set",
                "page",
                "user-token",
                "done",
                [ANALYSIS],
                changes,
            ),
            (260, None, "authentication.fail", "api", "unproven", "refused", ["203.0.113.24"], []),
            (410, "ada.moreau", "webhook.add", "page", "user-token", "done", [new_id()], []),
            (800, "fatima.haddad", "approval.ask", "link", "link", "done", [self.staged], []),
        ):
            yield an_audit_entry(
                created_at=self._ago(minutes=minutes),
                actor=actor,
                action=action,
                channel=channel,
                credential=credential,
                result=result,
                targets=targets,
                changes=changed,
            )

    def _neighbours(self) -> Iterator[Record]:
        for tenant, count in ((A_TENANT, 0), (ANOTHER_TENANT, 4), (new_id(), 1)):
            yield a_tenant_record(tenant=tenant)
            for name in NAMES[:count]:
                yield an_execution(tenant_id=tenant, subject=name)


def _rule() -> ApprovalRule:
    return ApprovalRule(
        enabled=True,
        conditions=[
            Condition(path="results.risk.riskScore", op="gte", value=0.6),
            Condition(path="subject.amount", op="gte", value=500_000),
        ],
        stages=[
            Stage(
                name="Manager",
                policy=ApprovalPolicy(approvers=Approvers(users=("ann.weaver",))),
                due_after_seconds=14_400,
            ),
            Stage(
                name="Finance",
                conditions=[Condition(path="subject.amount", op="gte", value=1_000_000)],
                policy=ApprovalPolicy(approvers=Approvers(roles=("finance",)), quorum=2),
                due_after_seconds=86_400,
            ),
        ],
    )


def _triggered(record: Record) -> Record:
    """An execution's event came when it was accepted."""
    if not isinstance(record, ExecutionRecord):
        return record
    triggers = [replace(one, received_at=record.created_at) for one in record.triggers]
    return replace(record, triggers=triggers)


def _steps(execution: ExecutionRecord, begin: datetime) -> Iterator[StepRecord]:
    """Each answered, in the order in which the answers came."""
    for step, after in zip(ANALYSIS_STEPS, (3.1, 2.2, 7.4, 10.9), strict=True):
        yield a_step(
            execution_id=execution.id,
            step=step.name,
            result=_found()[step.result_key],
            created_at=begin + timedelta(seconds=0.5),
            completed_at=begin + timedelta(seconds=after),
        )


def _found() -> dict[str, Any]:
    return {
        "risk": {
            "evaluationId": new_id(),
            "riskScore": 0.84,
            "detectedRisks": [
                {"riskName": name, "severity": level, "contribution": share, "explanation": text}
                for name, level, share, text in RISKS
            ],
        },
        "scoring": {
            "scoringId": new_id(),
            "mlRiskScore": 0.79,
            "modelId": "risk-scoring-v3",
            "confidence": 0.88,
        },
        "forecast": {
            "forecastId": new_id(),
            "revenueForecast": 1_180_000,
            "confidence": 0.72,
        },
        "recommendations": {
            "recommendationId": new_id(),
            "recommendations": [
                {"title": title, "score": score, "description": text}
                for title, score, text in ADVICE
            ],
        },
    }


def _letters(at: datetime) -> Iterator[Message]:
    for minutes, kind, code, reason in (
        (8, "forecast.completed", "schema-invalid", "$.data.confidence must be <= 1 (is 87)"),
        (52, "integration.opportunity.updated", "tenant-unknown", "tenantId is missing"),
        (190, "risk.evaluation.completed", "execution-unknown", "no execution awaits this answer"),
        (1500, "integration.opportunity.updated", "handler-failed", "5 attempts, each unavailable"),
    ):
        event = {
            "id": new_id(),
            "type": kind,
            "tenantId": A_TENANT,
            "data": {"workflowId": new_id(), "opportunityId": "Fabrikam pilot", "confidence": 87},
        }
        yield a_dead_letter(
            code=code,
            reason=reason,
            attempts=5 if code == "handler-failed" else 1,
            rejected_at=at - timedelta(minutes=minutes),
            id=str(event["id"]),
            routing_key=kind,
            timestamp=at - timedelta(minutes=minutes),
            body=msgspec.json.encode(event),
        )
