"""What the dashboard, the alerts and the table of metrics name exists, in the code and in the
documents.
"""

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
import yaml
from prometheus_client import REGISTRY, CollectorRegistry
from prometheus_client.metrics import MetricWrapperBase

import api.dead_letters.sweep
import api.http.metrics
import api.reconciler.metrics
import api.sockets.metrics
import blocks.adapters.measured_bus
import blocks.adapters.measured_store
import blocks.observability.metrics.claim_services
import blocks.observability.metrics.claims
import blocks.observability.metrics.notifications
import blocks.observability.metrics.operations
import blocks.observability.metrics.work
import blocks.processes.metrics
import listeners.metrics
from api.jobs.metrics import JobMetrics
from api.reconciler.drifts import KINDS
from api.reconciler.kinds.unwoken import UnclosedPhases, UnwokenJourneys
from blocks.adapters.rabbitmq import metrics as rabbitmq_metrics
from blocks.ports import Unavailable
from blocks.settings import load_settings
from tests.support.stores import FailingStore

ROOT = Path(__file__).parents[3]
PROMETHEUS = ROOT / "deployments" / "docker" / "prometheus"
DASHBOARD = json.loads(
    (ROOT / "deployments" / "docker" / "grafana" / "workflow-orchestrator.json").read_text()
)
ALERTS = [
    rule
    for group in yaml.safe_load((PROMETHEUS / "alerts.yml").read_text())["groups"]
    for rule in group["rules"]
]
PAGE = (ROOT / "docs" / "observability.md").read_text()

EXPRESSIONS = {
    **{alert["alert"]: alert["expr"] for alert in ALERTS},
    **{
        f"{panel['id']} {panel['title']} {target['refId']}": target["expr"]
        for panel in DASHBOARD["panels"]
        for target in panel.get("targets", [])
    },
}

OURS = re.compile(
    r"\b(?:workflow_orchestrator_|http_request|dead_letters_|batch_job|rabbitmq_|haproxy_)\w+"
)
OF_PROMETHEUS = {"le", "job", "instance"}
FUNCTIONS = {
    "sum",
    "max",
    "min",
    "count",
    "by",
    "rate",
    "increase",
    "histogram_quantile",
    "absent",
    "and",
    "or",
    "time",
}
OF_EVERY_PROCESS = {"up", "process_cpu_seconds_total", "process_resident_memory_bytes"}


def of_ours() -> Iterator[MetricWrapperBase]:
    """Every metric that the code makes."""
    modules = (
        api.dead_letters.sweep,
        api.http.metrics,
        api.reconciler.metrics,
        blocks.adapters.measured_bus,
        blocks.processes.metrics,
        blocks.adapters.measured_store,
        api.sockets.metrics,
        blocks.observability.metrics.claim_services,
        blocks.observability.metrics.claims,
        blocks.observability.metrics.notifications,
        blocks.observability.metrics.operations,
        blocks.observability.metrics.work,
        listeners.metrics,
    )
    for module in modules:
        yield from (
            value for value in vars(module).values() if isinstance(value, MetricWrapperBase)
        )


def labels_by_series() -> Mapping[str, set[str]]:
    """Each name that Prometheus stores, with its labels."""
    jobs = JobMetrics(FailingStore(Unavailable("no store")))._registry
    found = {
        "workflow_orchestrator_bus_connection_up": {"purpose"},
        "batch_job_triggers_total": {"batch_job"},
        "haproxy_backend_active_servers": {"proxy"},  # test_prefect_servers.py reads it from one
    }
    for metric in [*of_ours(), *in_registry(jobs)]:
        name, labels = metric._name, set(metric._labelnames)
        match metric._type:
            case "counter":
                found[f"{name}_total"] = labels
            case "histogram":
                found |= {f"{name}{suffix}": labels for suffix in ("_bucket", "_sum", "_count")}
            case _:
                found[name] = labels
    return found


def in_registry(registry: CollectorRegistry) -> list[MetricWrapperBase]:
    # The library shows a metric's labels nowhere else before it has a value.
    return [one for one in registry._collector_to_names if isinstance(one, MetricWrapperBase)]


SERIES = labels_by_series()


@pytest.mark.parametrize("name", EXPRESSIONS)
def test_every_metric_and_label_of_an_expression_exists(name: str) -> None:
    expression = EXPRESSIONS[name]
    metrics = OURS.findall(expression)

    assert [] == [metric for metric in metrics if metric not in SERIES]
    known = set().union(*(SERIES[metric] for metric in metrics)) | OF_PROMETHEUS
    assert set() == labels_in(expression) - known
    assert set() == identifiers_in(expression) - set(metrics) - known - FUNCTIONS - OF_EVERY_PROCESS
    assert all(
        expression.count(one) == expression.count(other) for one, other in ("()", "{}", "[]")
    )


def kinds_of(expression: str) -> list[str]:
    return re.findall(r'reconciler_repairs_total{kind="(\w+)"}', expression)


def test_every_kind_of_drift_in_an_expression_is_one_of_the_reconcilers() -> None:
    assert [] == [
        kind for one in EXPRESSIONS.values() for kind in kinds_of(one) if kind not in KINDS
    ]


@pytest.mark.parametrize("kind", [UnwokenJourneys.kind, UnclosedPhases.kind])
def test_drifts_of_journeys_have_an_alert_and_a_panel(kind: str) -> None:
    assert [kind] == [one for alert in ALERTS for one in kinds_of(alert["expr"]) if one == kind]
    assert kind in kinds_of(OF_PANELS)


OF_PANELS = " ".join(
    target["expr"] for panel in DASHBOARD["panels"] for target in panel.get("targets", [])
)


@pytest.mark.parametrize("alert", ALERTS, ids=lambda alert: str(alert["alert"]))
def test_what_an_alert_is_about_can_be_seen_on_the_dashboard(alert: dict[str, str]) -> None:
    assert [] == [metric for metric in OURS.findall(alert["expr"]) if metric not in OF_PANELS]


@pytest.mark.parametrize(
    "metric",
    [
        "workflow_orchestrator_executions_overdue",
        "workflow_orchestrator_worker_memory_drains_total",
        'process_resident_memory_bytes{job="workflow-orchestrator-worker"}',
    ],
)
def test_overdue_executions_and_the_memory_of_workers_have_panels(metric: str) -> None:
    assert metric in OF_PANELS


def test_every_job_of_an_expression_is_one_that_prometheus_scrapes() -> None:
    scraped = yaml.safe_load((PROMETHEUS / "prometheus.yml").read_text())["scrape_configs"]
    named = {
        job
        for expression in EXPRESSIONS.values()
        for job in re.findall(r'job="([^"]+)"', expression)
    }

    assert set() == named - {one["job_name"] for one in scraped}


def labels_in(expression: str) -> set[str]:
    grouped = {
        label.strip()
        for group in re.findall(r"\bby \(([^)]*)\)", expression)
        for label in group.split(",")
    }
    selected = {
        label
        for group in re.findall(r"{([^}]*)}", expression)
        for label in re.findall(r"(\w+)\s*[!=]", group)
    }
    return grouped | selected


def identifiers_in(expression: str) -> set[str]:
    """Everything that is not text, a duration or a number."""
    bare = re.sub(r'"[^"]*"|\[[^\]]*\]', "", expression)
    return set(re.findall(r"\b[a-z_]\w*", bare))


def test_every_metric_stands_in_the_table_of_the_page_with_its_labels() -> None:
    documented = {
        name.replace("W_", "workflow_orchestrator_"): set(re.findall(r"`(\w+)`", labels))
        for names, labels in re.findall(r"^\| ((?:`\w+`(?:, )?)+) \|([^|]*)\|", PAGE, re.M)
        for name in re.findall(r"`(\w+)`", names)
    }
    bare = {re.sub(r"_(bucket|sum|count)$", "", name): labels for name, labels in SERIES.items()}

    assert bare == {name: labels for name, labels in documented.items() if name in bare}


@pytest.mark.parametrize("alert", ALERTS, ids=lambda alert: str(alert["alert"]))
def test_every_alert_guards_a_promise_and_leads_to_a_runbook(
    alert: dict[str, Mapping[str, str]],
) -> None:
    promises = {
        row[0].strip() for row in table_rows(ROOT / "docs" / "reliability.md", "## Promises")
    }
    path, _, anchor = alert["annotations"]["runbook"].partition("#")

    assert alert["annotations"]["promise"] in promises
    assert alert["labels"]["severity"] in ("critical", "warning")
    assert not anchor or anchor in anchors_of(ROOT / path)
    assert (ROOT / path).exists()


def table_rows(page: Path, heading: str) -> list[list[str]]:
    section = page.read_text().partition(heading)[2].partition("\n## ")[0]
    return [line.strip("|").split("|") for line in section.splitlines() if line.startswith("| ")]


def anchors_of(page: Path) -> set[str]:
    headings = re.findall(r"^#+ (.+)$", page.read_text(), re.M)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_prometheus_asks_at_the_ports_where_the_processes_answer() -> None:
    settings = load_settings({})
    scraped = yaml.safe_load((PROMETHEUS / "prometheus.yml").read_text())["scrape_configs"]

    proxy = (PROMETHEUS.parent / "haproxy.cfg").read_text()
    [of_proxy] = re.findall(r"frontend metrics.*\n +bind :(\d+)", proxy)

    assert {
        "prefect": int(of_proxy),
        "workflow-orchestrator": settings.metrics.api_port,
        "listener": settings.metrics.listener_port,
        "worker": settings.metrics.worker_port,
    } == {found["names"][0]: found["port"] for job in scraped for found in job["dns_sd_configs"]}


def test_the_panels_of_the_dashboard_do_not_overlap() -> None:
    cells = [
        (x, y)
        for place in (panel["gridPos"] for panel in DASHBOARD["panels"])
        for x in range(place["x"], place["x"] + place["w"])
        for y in range(place["y"], place["y"] + place["h"])
    ]
    assert len(cells) == len(set(cells))
    assert max(x for x, _ in cells) < 24


def test_connections_are_shown_also_when_there_are_none() -> None:
    assert rabbitmq_metrics.OPEN_LINKS is not None
    assert "workflow_orchestrator_bus_connection_up" in {
        family.name for family in REGISTRY.collect()
    }
