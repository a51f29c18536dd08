"""deployments/kubernetes: valid by Kubernetes' own schemas, and what its comments promise."""

import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml

from blocks.settings import load_settings, variables
from tests.unit.project.test_compose import SERVICES

ROOT = Path(__file__).parents[3]
FOLDER = ROOT / "deployments" / "kubernetes"
VERSIONS = ("1.31", "1.37")
"""Of Kubernetes: an older one, and the newest whose schemas are installed."""

OVERLAYS = ("trial", "production")
OF_LIBRARIES = {"PREFECT_HOME"}
"""Read by Prefect, and no settings."""


def documents(folder: Path) -> list[dict[str, Any]]:
    files = [file for file in sorted(folder.rglob("*.yaml")) if file.name != "kustomization.yaml"]
    return [one for file in files for one in yaml.safe_load_all(file.read_text())]


BASE = documents(FOLDER / "base")
BY_NAME = {(one["kind"], one["metadata"]["name"]): one for one in BASE}
PROCESSES = ("api", "listener", "worker")
SETTINGS = BY_NAME["ConfigMap", "orchestrator-settings"]["data"]


def pods() -> Iterator[Any]:
    for one in BASE:
        if one["kind"] in ("Deployment", "Job"):
            yield pytest.param(one["spec"]["template"], id=one["metadata"]["name"])


def container(name: str) -> dict[str, Any]:
    [found] = BY_NAME["Deployment", name]["spec"]["template"]["spec"]["containers"]
    assert isinstance(found, dict)
    return found


def check(document: dict[str, Any], version: str) -> None:
    """Raises for what Kubernetes would refuse; resources of other systems have no schema here."""
    if "keda.sh" not in document["apiVersion"]:
        kubernetes_validate.validate(document, version, strict=True)


@pytest.mark.parametrize("version", VERSIONS)
def test_every_manifest_is_valid(version: str) -> None:
    for document in documents(FOLDER):
        check(document, version)


def test_a_manifest_with_an_unknown_field_is_not() -> None:
    api = BY_NAME["Deployment", "api"]
    wrong = {**api, "spec": {**api["spec"], "replica": 2}}

    with pytest.raises(kubernetes_validate.ValidationError):
        check(wrong, VERSIONS[0])


@pytest.mark.skipif(not shutil.which("kubectl"), reason="kubectl is not installed")
@pytest.mark.parametrize("overlay", OVERLAYS)
def test_an_overlay_is_rendered_and_valid(overlay: str) -> None:
    command = ["kubectl", "kustomize", str(FOLDER / "overlays" / overlay)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)

    rendered = {
        (one["kind"], one["metadata"]["name"]): one for one in yaml.safe_load_all(done.stdout)
    }

    for document in rendered.values():
        check(document, VERSIONS[-1])
    assert set(BY_NAME) <= set(rendered)
    assert {"workflow-orchestrator"} == {one["metadata"]["namespace"] for one in rendered.values()}
    replicas = {name: rendered["Deployment", name]["spec"].get("replicas") for name in PROCESSES}
    expected = {
        "trial": {"api": 1, "listener": 1, "worker": 1},
        "production": {"api": None, "listener": 2, "worker": None},
    }
    assert expected[overlay] == replicas


# --- what a policy linter asks for ----------------------------------------------------------------


@pytest.mark.parametrize("pod", list(pods()))
def test_a_pod_is_nobody_and_writes_to_its_own_folders_only(pod: dict[str, Any]) -> None:
    spec = pod["spec"]
    [one] = spec["containers"]

    assert spec["securityContext"]["runAsNonRoot"]
    assert 10001 == spec["securityContext"]["runAsUser"]
    assert "RuntimeDefault" == spec["securityContext"]["seccompProfile"]["type"]
    assert spec["automountServiceAccountToken"] is False
    assert spec["enableServiceLinks"] is False
    assert {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    } == one["securityContext"]
    assert {"cpu", "memory"} == set(one["resources"]["requests"])
    assert {"memory"} == set(one["resources"]["limits"])
    assert not {"hostNetwork", "hostPID", "hostIPC"} & set(spec)
    assert all("hostPath" not in volume for volume in spec["volumes"])


@pytest.mark.parametrize("name", PROCESSES)
def test_a_process_is_asked_where_it_answers(name: str) -> None:
    ports = {port["name"]: port["containerPort"] for port in container(name)["ports"]}
    settings = load_settings({})

    assert getattr(settings.metrics, f"{name}_port") == ports["metrics"]
    assert name != "api" or settings.server.port == ports["http"]
    for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
        asked = container(name)[probe]["httpGet"]
        assert ("metrics", True) == (asked["port"], asked["path"] in ("/health", "/ready"))
    assert "/health" == container(name)["livenessProbe"]["httpGet"]["path"]


@pytest.mark.parametrize("name", PROCESSES)
def test_a_process_has_as_long_to_end_as_in_compose(name: str) -> None:
    service = SERVICES["workflow-orchestrator" if name == "api" else name]
    pod = BY_NAME["Deployment", name]["spec"]["template"]["spec"]

    assert pod["terminationGracePeriodSeconds"] >= int(service["stop_grace_period"].rstrip("s"))


def test_a_worker_drains_before_its_pod_is_killed_for_memory() -> None:
    assert "1Gi" == container("worker")["resources"]["limits"]["memory"]
    assert load_settings({}).worker.memory_max_megabytes < 1024


@pytest.mark.parametrize("name", PROCESSES)
def test_one_pod_at_a_time_is_taken_away(name: str) -> None:
    budget, deployment = BY_NAME["PodDisruptionBudget", name], BY_NAME["Deployment", name]

    assert 1 == budget["spec"]["maxUnavailable"] < deployment["spec"]["replicas"]
    assert budget["spec"]["selector"] == deployment["spec"]["selector"]
    assert 0 == deployment["spec"]["strategy"]["rollingUpdate"]["maxUnavailable"]


def test_every_setting_is_one_and_the_secrets_are_files(tmp_path: Path) -> None:
    assert set(SETTINGS) <= variables() | OF_LIBRARIES
    assert {"COSMOS_DB_KEY_FILE", "RABBITMQ_URL_FILE"} == {
        name for name in SETTINGS if name.endswith("_FILE")
    }
    assert not {"COSMOS_DB_KEY", "RABBITMQ_URL", "JWT_SECRET"} & set(SETTINGS)

    (tmp_path / "cosmos-db-key").write_text("a2V5")
    (tmp_path / "rabbitmq-url").write_text("amqp://user:password@broker/")
    mounted = {
        name: value.replace("/run/secrets/orchestrator", str(tmp_path))
        for name, value in SETTINGS.items()
    }

    settings = load_settings(mounted)

    assert "amqp://user:password@broker/" == settings.rabbitmq.url


# --- the network ----------------------------------------------------------------------------------


def test_nobody_but_our_processes_reaches_prefect() -> None:
    policy = BY_NAME["NetworkPolicy", "only-ours-reach-prefect"]["spec"]

    assert [{"podSelector": {"matchLabels": {"orchestrator/process": "true"}}}] == policy[
        "ingress"
    ][0]["from"]
    assert ["Ingress"] == policy["policyTypes"]
    assert [] == [one for one in BASE if one["kind"] in ("Ingress", "Gateway")]
    assert ["api"] == [one["metadata"]["name"] for one in BASE if one["kind"] == "Service"]


def test_our_pods_take_only_what_a_policy_allows() -> None:
    nobody = BY_NAME["NetworkPolicy", "nobody-reaches-ours"]["spec"]

    assert "ingress" not in nobody
    for one in BASE:
        if one["kind"] in ("Deployment", "Job"):
            labels = one["spec"]["template"]["metadata"]["labels"]
            assert nobody["podSelector"]["matchLabels"].items() <= labels.items()


def test_workers_are_scaled_by_a_metric_that_there_is() -> None:
    scaling = (FOLDER / "overlays" / "production" / "scaling.yaml").read_text()
    [metric] = re.findall(r"workflow_orchestrator_(\w+)", scaling)

    assert f"`W_{metric}`" in (ROOT / "docs" / "observability.md").read_text()
