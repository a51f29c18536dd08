"""Alertmanager's alerts reach the operators: each once while it stands, and its end."""

from pathlib import Path
from typing import Any

import pytest

from blocks.contracts.ids import SYSTEM_TENANT
from tests.support.api.api_client import Api, an_api
from tests.support.notifications.comms_hub import comms_hub

OPERATORS = "ops@platform.example"
PATH = "/api/webhooks/alerts"


def an_alert(status: str = "firing", **labels: str) -> dict[str, Any]:
    return {
        "status": status,
        "labels": {"alertname": "DiskFull", "workflow": "log-rotation", **labels},
        "annotations": {"summary": "The disk is full", "description": "97 % of /var"},
        "startsAt": "2026-11-29T00:00:00Z",
        "fingerprint": f"f-{labels.get('instance', '1')}",
    }


async def send(api: Api, *alerts: dict[str, Any], path: str = PATH, status: int = 200) -> Any:
    body = {"version": "4", "receiver": "operators", "alerts": alerts}
    answer = await api.send("POST", path, body, SYSTEM_TENANT)
    assert status == answer.status_code, answer.text
    return answer.json()


async def test_an_alert_is_sent_once_while_it_stands_and_so_is_its_end(tmp_path: Path) -> None:
    firing, over = an_alert(severity="critical"), an_alert("resolved", severity="critical")
    with comms_hub() as hub:
        async with an_api(tmp_path, COMMS_HUB_URL=hub.url, ALERT_EMAIL=OPERATORS) as api:
            assert {"success": True, "processed": 1, "total": 1} == await send(api, firing)
            for alert in (firing, over, over):
                await send(api, alert)
            metrics = (await api.get("/api/metrics", SYSTEM_TENANT)).text

    first, end = hub.messages
    assert ("[CRITICAL] DiskFull", 10, OPERATORS) == (
        first["subject"],
        first["priority"],
        first["recipient"],
    )
    assert "97 % of /var" in first["body"]
    assert {"source": "alertmanager", "alertname": "DiskFull", "workflow": "log-rotation"} == (
        first["metadata"]
    )
    assert "[CRITICAL] RESOLVED: DiskFull" == end["subject"]
    assert 'alerts_by_severity_total{severity="critical"}' in metrics
    assert "alerts_forwarded_total" in metrics


@pytest.mark.parametrize(
    ("path", "labels", "subject", "priority"),
    [
        (f"{PATH}/critical", {}, "[CRITICAL] DiskFull", 10),
        (f"{PATH}/warning", {}, "[WARNING] DiskFull", 7),
        (PATH, {}, "[INFO] DiskFull", 5),
        (f"{PATH}/critical", {"severity": "warning"}, "[WARNING] DiskFull", 7),
    ],
)
async def test_an_alert_without_a_severity_has_that_of_the_path(
    tmp_path: Path, path: str, labels: dict[str, str], subject: str, priority: int
) -> None:
    with comms_hub() as hub:
        async with an_api(tmp_path, COMMS_HUB_URL=hub.url, ALERT_EMAIL=OPERATORS) as api:
            await send(api, an_alert(**labels), path=path)

    [message] = hub.messages
    assert (subject, priority) == (message["subject"], message["priority"])


async def test_what_was_not_taken_is_asked_for_again_and_then_sent_alone(tmp_path: Path) -> None:
    one, two = an_alert(instance="1"), an_alert(instance="2")
    with comms_hub() as hub:
        async with an_api(tmp_path, COMMS_HUB_URL=hub.url, ALERT_EMAIL=OPERATORS) as api:
            await send(api, one)
            hub.failures = [400]
            await send(api, one, two, status=503)
            await send(api, one, two)

    assert 2 == len(hub.messages)


async def test_without_a_transport_nothing_is_processed(tmp_path: Path) -> None:
    async with an_api(tmp_path) as api:
        answer = await send(api, an_alert())

    assert {"success": True, "processed": 0, "total": 1} == answer
