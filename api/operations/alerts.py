"""`/api/webhooks/alerts`: what Prometheus's Alertmanager reports goes to the operators.

The body is Alertmanager's: https://prometheus.io/docs/alerting/latest/configuration/#webhook_config
"""

import asyncio
import logging
from collections.abc import Mapping
from hashlib import sha256
from typing import Any

import msgspec
from litestar import Request, post
from litestar.params import JSONBody

from api.access.errors import NotForTenants
from api.access.tenancy import TenantId
from api.claims.errors import workflow_documented
from api.http.records import AllSettings, Store
from api.idempotency import KEY_ERRORS
from api.operations import examples
from api.operations.documents import Alert, Alerts, AlertsTaken
from blocks.notifications import Message, NotDelivered, Withheld, notify
from blocks.notifications.message import CRITICAL, NORMAL, WARNING
from blocks.observability.metrics import operations as metrics
from blocks.observability.plain_text import shortened
from blocks.ports import RecordStore, Unavailable
from blocks.settings import Settings

log = logging.getLogger(__name__)

LIMIT_SECONDS = 20.0
"""So long Alertmanager is kept waiting; what is not taken by then it sends again."""

_PRIORITIES: Mapping[str, int] = {"critical": CRITICAL, "warning": WARNING}
_OPERATION_IDS = {"critical": "forwardCriticalAlerts", "warning": "forwardWarnings"}
_SUBJECT_MAX, _BODY_MAX = 200, 4000


@post(
    ["/webhooks/alerts", "/webhooks/alerts/critical", "/webhooks/alerts/warning"],
    status_code=200,
    summary="Forward alerts of Alertmanager",
    operation_id=lambda _, __, path: _OPERATION_IDS.get(str(path[-1]), "forwardAlerts"),
    tags=["Operations"],
    responses=workflow_documented(examples.ALERTS_TAKEN, NotForTenants, *KEY_ERRORS),
)
async def forward_alerts(
    request: Request[Any, Any, Any],
    store: Store,
    settings: AllSettings,
    tenant_id: TenantId,
    data: JSONBody[Alerts],
) -> AlertsTaken:
    """Each alert was sent to the operators, or had been: one that stands is repeated after a while,
    and its end is sent once. 503: some were not; sent again, only those are forwarded.

    An alert without a severity has that of the path. While nothing is configured that sends, none
    is `processed`.
    """
    default = request.scope["path_template"].rpartition("/")[2]
    sending = (_forwarded(store, settings, alert, default) for alert in data.alerts)
    taken = await asyncio.gather(*sending)
    if False in taken:
        raise Unavailable(f"{taken.count(False)} of {len(taken)} alerts were not taken")
    return AlertsTaken(success=True, processed=taken.count(True), total=len(taken))


async def _forwarded(
    store: RecordStore, settings: Settings, alert: Alert, default: str
) -> bool | None:
    """False: it was not taken. None: there is nothing that could take it."""
    severity = alert.labels.get("severity") or (default if default in _PRIORITIES else "info")
    metrics.alert_received(severity)
    is_over = alert.status == "resolved"
    try:
        async with asyncio.timeout(LIMIT_SECONDS):
            outcome = await notify(
                store,
                settings.notifications,
                _message(alert, severity, is_over=is_over),
                key=f"alertmanager {_identity(alert)}",
                kind="all-clear" if is_over else "problem",
                state=severity,
            )
    except (NotDelivered, TimeoutError) as error:
        metrics.ALERTS_FAILED.inc()
        log.warning("an alert was not forwarded: %s", error or "it took too long")
        return False
    if isinstance(outcome, Withheld) and not outcome.is_configured:
        log.warning("an alert was not forwarded: %s", outcome.reason)
        return None
    metrics.ALERTS_FORWARDED.inc()
    return True


def _message(alert: Alert, severity: str, *, is_over: bool) -> Message:
    name = alert.labels.get("alertname", "Alert")
    over = "RESOLVED: " if is_over else ""
    stated = [alert.annotations.get("summary"), alert.annotations.get("description")]
    labels = "\n".join(f"{label}: {value}" for label, value in sorted(alert.labels.items()))
    return Message(
        subject=shortened(f"[{severity.upper()}] {over}{name}", _SUBJECT_MAX),
        body="\n\n".join([*filter(None, stated), labels])[:_BODY_MAX],
        priority=_PRIORITIES.get(severity, NORMAL),
        metadata={
            "source": "alertmanager",
            "alertname": name,
            "workflow": alert.labels.get("workflow", ""),
        },
    )


def _identity(alert: Alert) -> str:
    """Alertmanager's own, or one computed from the labels, which are what identifies an alert."""
    labels = msgspec.json.encode(alert.labels, order="deterministic")
    return alert.fingerprint[:80] or sha256(labels).hexdigest()[:16]
