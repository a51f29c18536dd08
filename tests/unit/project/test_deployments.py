"""prefect.yaml and the registry agree: what is registered is deployed, and the other way round."""

from collections.abc import Iterator, Sequence
from importlib import import_module
from typing import Any

import pytest
from msgspec.structs import replace
from prefect.utilities.callables import parameter_schema

from blocks.contracts import jobs, workflows
from blocks.contracts.operations import operation_named
from blocks.contracts.workflows import WORKFLOWS
from deployments.bootstrap.prefect_yaml import Deployment, read_deployments

DISPATCHED = {"tenant_id", "execution_ids"}
"""The parameters with which dispatchers ask for a flow run."""


def flow_of(deployment: Deployment) -> Any:
    module, _, name = deployment.entrypoint.rpartition(".")
    return getattr(import_module(module), name)


def differences(deployments: Sequence[Deployment]) -> list[str]:
    return [*of_the_registry(deployments), *of_the_deployments(deployments)]


def of_the_registry(deployments: Sequence[Deployment]) -> Iterator[str]:
    flows = {deployment.name: flow_of(deployment) for deployment in deployments}
    for name in WORKFLOWS:
        if name not in {flow.name for flow in flows.values()}:
            yield f"{name} is registered, and no deployment runs its flow"
        elif workflows.is_dispatched(name) and getattr(flows.get(name), "name", None) != name:
            yield f"{name} is dispatched, and no deployment of its flow has its name"
    for job in jobs.JOBS:
        if getattr(flows.get(job.id), "name", None) != jobs.WORKFLOW:
            yield f"job {job.id} has no deployment"


def of_the_deployments(deployments: Sequence[Deployment]) -> Iterator[str]:
    for deployment in deployments:
        flow, taken = flow_of(deployment), set(flow_of(deployment).parameters.properties)
        given, needed = set(deployment.parameters), set(flow.parameters.required or ())
        if flow.name not in WORKFLOWS:
            yield f"{deployment.name} runs {flow.name}, which is not registered"
        elif workflows.is_dispatched(flow.name) and not needed <= DISPATCHED <= taken:
            yield f"{flow.name} is dispatched, takes {sorted(taken)} and needs {sorted(needed)}"
        if not given <= taken:
            unknown = sorted(given - taken)
            yield f"{deployment.name} states {unknown}, which {flow.name} does not take"
        if flow.name == jobs.WORKFLOW and deployment.parameters.get("job") != deployment.twin:
            yield f"{deployment.name} triggers job {deployment.parameters.get('job')}"
        snake = flow.name.replace("-", "_")
        room = "flows.operations" if operation_named(flow.name) else "flows"
        if deployment.entrypoint != f"{room}.{snake}.{snake}":
            yield f"the flow {flow.name} stands in {deployment.entrypoint}"
    names = [deployment.name for deployment in deployments]
    yield from (f"{name} is deployed twice" for name in sorted(set(names)) if names.count(name) > 1)


def test_the_registry_and_prefect_yaml_agree() -> None:
    assert [] == differences(read_deployments())


ANALYSIS, CLAIMS, *OF_JOBS = read_deployments()


@pytest.mark.parametrize(
    ("deployed", "difference"),
    [
        ([CLAIMS, *OF_JOBS], "opportunity-analysis is registered, and no deployment runs its flow"),
        (
            [replace(ANALYSIS, name="analysis"), CLAIMS, *OF_JOBS],
            "opportunity-analysis is dispatched, and no deployment of its flow has its name",
        ),
        ([ANALYSIS, CLAIMS, *OF_JOBS[1:]], f"job {OF_JOBS[0].name} has no deployment"),
        ([ANALYSIS, CLAIMS, *OF_JOBS, OF_JOBS[0]], f"{OF_JOBS[0].name} is deployed twice"),
        (
            [
                ANALYSIS,
                CLAIMS,
                replace(OF_JOBS[0], parameters={"job": "outcome-sync"}),
                *OF_JOBS[1:],
            ],
            f"{OF_JOBS[0].name} triggers job outcome-sync",
        ),
        (
            [replace(ANALYSIS, parameters={"priority": 1}), CLAIMS, *OF_JOBS],
            "opportunity-analysis states ['priority'], which opportunity-analysis does not take",
        ),
    ],
)
def test_a_difference_is_named(deployed: list[Deployment], difference: str) -> None:
    assert difference in differences(deployed)


def test_a_deployment_of_a_flow_that_is_not_registered_is_named(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delitem(WORKFLOWS, jobs.WORKFLOW)

    unregistered = [
        f"{one.name} runs batch-job, which is not registered"
        for one in read_deployments()
        if one.twin in jobs.JOB_BY_ID
    ]
    assert unregistered == differences(read_deployments())


@pytest.mark.parametrize("deployment", [ANALYSIS, CLAIMS, OF_JOBS[0]], ids=lambda one: one.name)
def test_the_form_of_a_start_by_hand_states_what_each_parameter_is(deployment: Deployment) -> None:
    schema = parameter_schema(flow_of(deployment)).model_dump(exclude_unset=True)

    for name, stated in schema["properties"].items():
        assert len(stated.get("description", "")) > 20, f"{name} is not described"
        assert {"type", "anyOf"} & stated.keys(), f"{name} has no type"


def test_what_a_person_writes_as_an_object_is_one() -> None:
    analysis, job = (
        parameter_schema(flow_of(one)).model_dump(exclude_unset=True)["properties"]
        for one in (ANALYSIS, OF_JOBS[0])
    )

    assert "object" == analysis["input"]["type"]
    assert ["object", "string"] == [one["type"] for one in job["metadata"]["anyOf"]]
