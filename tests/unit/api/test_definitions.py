"""What a tenant wants of a workflow: set over HTTP, checked at once, in versions, kept by whoever
started with one.
"""

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import httpx
import pytest
from msgspec.structs import replace
from prefect.runtime import flow_run

from blocks.contracts.analysis import WORKFLOW
from blocks.contracts.definitions import WantedDefinition
from blocks.contracts.records import ExecutionRecord
from blocks.contracts.workflows import WORKFLOWS
from blocks.definitions import versions as definitions
from blocks.definitions.versions import EnabledTenants, read_definition, set_definition
from blocks.settings import load_settings
from flows.analysis.claiming import claim_analyses
from flows.analysis.progress import rules_in
from flows.shared.claims import claim
from flows.shared.runtime import Runtime
from tests.support.api.api_client import Api, an_api
from tests.support.factories import A_TENANT, ANOTHER_TENANT, an_execution

PATH = "/api/v1/definitions/opportunity-analysis"
SETTINGS = load_settings({})
A_RULE = {
    "enabled": True,
    "conditions": [{"path": "results.risk.riskScore", "op": "gte", "value": 0.7}],
    "policy": {"approvers": {"users": ["u-208"], "roles": ["sales-director"]}, "quorum": 2},
    "expiresAfterSeconds": 172800,
    "onExpiry": "escalate",
    "escalations": [{"afterSeconds": 86400, "approvers": {"roles": ["vp-sales"]}}],
}


@pytest.fixture
async def api(tmp_path: Path) -> AsyncIterator[Api]:
    async with an_api(tmp_path) as api:
        yield api


async def put(api: Api, body: object, tenant_id: str = A_TENANT, **headers: str) -> httpx.Response:
    named = {
        "X-Tenant-ID": tenant_id,
        **{name.replace("_", "-"): value for name, value in headers.items()},
    }
    return await api.client.put(PATH, json=body, headers=named)


# --- over HTTP ------------------------------------------------------------------------------------


async def test_without_a_definition_the_platforms_defaults_hold(api: Api) -> None:
    response = await api.get(PATH)

    assert (200, '"0"') == (response.status_code, response.headers["etag"])
    definition = response.json()
    assert (True, True, 0, 300.0) == (
        definition["isDefault"],
        definition["enabled"],
        definition["version"],
        definition["stepTimeoutSeconds"],
    )
    assert {"risk_analysis", "forecast"} == {
        name for name, step in definition["steps"].items() if step["critical"]
    }
    assert (False, 1.0) == (definition["approval"]["enabled"], definition["share"]["weight"])


async def test_what_is_set_holds_and_what_is_not_set_is_the_platforms(api: Api) -> None:
    steps = {"forecast": {"critical": False}, "recommendation": {"timeoutSeconds": 20}}

    definition = (await put(api, {"steps": steps, "approval": A_RULE}, X_User_ID="u-311")).json()

    assert definition == (await api.get(PATH)).json()
    assert (
        {"critical": False, "timeoutSeconds": 300.0},
        {"critical": False, "timeoutSeconds": 20.0},
    ) == (
        definition["steps"]["forecast"],
        definition["steps"]["recommendation"],
    )
    assert {"critical": True, "timeoutSeconds": 300.0} == definition["steps"]["risk_analysis"]
    assert A_RULE["policy"] == definition["approval"]["policy"]
    assert (1, False, "u-311") == (
        definition["version"],
        definition["isDefault"],
        definition["updatedBy"],
    )
    assert (await api.get(PATH, tenant_id=ANOTHER_TENANT)).json()["isDefault"]


async def test_each_change_is_a_version_and_going_back_is_one_too(api: Api) -> None:
    versions = []
    for change in (
        put(api, {}),
        put(api, {"enabled": False}),
        api.send("DELETE", PATH),
        api.send("DELETE", PATH),
        put(api, {"enabled": False}),
    ):
        await change
        versions.append((await api.get(PATH)).json()["version"])

    assert [1, 2, 3, 3, 4] == versions
    assert ["", True, False, True, False] == [
        ""
        if version == 0
        else (await read_definition(api.store, A_TENANT, WORKFLOW, SETTINGS, version)).enabled
        for version in range(5)
    ]


async def test_who_insists_on_a_version_changes_that_or_nothing(api: Api) -> None:
    assert 200 == (await put(api, {}, If_Match='"0"')).status_code
    assert 412 == (await put(api, {"enabled": False}, If_Match='"0"')).status_code
    assert 412 == (await put(api, {"enabled": False}, If_None_Match="*")).status_code
    assert 400 == (await put(api, {"enabled": False}, If_None_Match='"1"')).status_code
    refused = await api.client.delete(PATH, headers={"X-Tenant-ID": A_TENANT, "If-Match": '"7"'})
    assert (412, "PRECONDITION_FAILED") == (refused.status_code, refused.json()["error"]["code"])

    assert (1, True) == ((now := (await api.get(PATH)).json())["version"], now["enabled"])
    assert (
        204
        == (
            await api.client.delete(PATH, headers={"X-Tenant-ID": A_TENANT, "If-Match": '"1"'})
        ).status_code
    )
    assert 200 == (await put(api, {}, If_None_Match="*")).status_code


@pytest.mark.parametrize(
    ("body", "field", "message"),
    [
        ({"steps": {"forcast": {}}}, "steps.forcast", "is no step; the steps are risk_analysis"),
        (
            {"steps": {"forecast": {"timeoutSeconds": 0}}},
            "steps.forecast.timeoutSeconds",
            "> 0",
        ),
        ({"steps": {"forecast": {"crticial": True}}}, "steps.forecast.crticial", "unknown field"),
        ({"aproval": {}}, "aproval", "unknown field"),
        ({"approval": {"minRiskscore": 0.5}}, "approval.minRiskscore", "unknown field"),
        ({"approval": {"policy": {"quorom": 2}}}, "approval.policy.quorom", "unknown field"),
        (
            {"approval": {"policy": {"approvers": {"user": ["ann"]}}}},
            "approval.policy.approvers.user",
            "unknown field",
        ),
        ({"approval": {"policy": {"quorum": 0}}}, "approval.policy.quorum", ">= 1"),
        (
            {"approval": {"policy": {"quorum": 2, "approvers": {"users": ["ann"]}}}},
            "approval.policy.quorum",
            "is 2, and only 1 people may approve",
        ),
        ({"approval": {"onExpiry": "reject"}}, "approval.onExpiry", "needs expiresAfterSeconds"),
        (
            {"approval": {"onExpiry": "escalate", "expiresAfterSeconds": 9}},
            "approval.onExpiry",
            "escalates to no one",
        ),
        (
            {"approval": {"formSchema": {"type": "nonsense"}}},
            "approval.formSchema",
            "is no JSON Schema",
        ),
        (
            {"approval": {"conditions": [{"path": "risk", "op": "exists"}]}},
            "approval.conditions.0.path",
            "begins with `results.` or `subject.`",
        ),
        (
            {"approval": {"conditions": [{"path": "subject.amount", "op": "gte", "value": None}]}},
            "approval.conditions.0.value",
            "is a number or a text",
        ),
        (
            {"approval": {"conditions": [{"path": "subject.x", "op": "in", "value": 1}]}},
            "approval.conditions.0.value",
            "list",
        ),
        (
            {"approval": {"remindAfterSeconds": [1.0] * 51}},
            "approval.remindAfterSeconds",
            "at most 50",
        ),
        ({"enabled": "yes"}, "enabled", "bool"),
    ],
)
async def test_what_cannot_be_meant_is_refused_with_its_field_and_changes_nothing(
    api: Api, body: dict[str, Any], field: str, message: str
) -> None:
    response = await put(api, body)

    assert (400, "VALIDATION_ERROR") == (response.status_code, response.json()["error"]["code"])
    [problem] = response.json()["error"]["details"]
    assert (field, "/" + field.replace(".", "/")) == (problem["field"], problem["pointer"])
    assert message in problem["message"]
    assert (await api.get(PATH)).json()["isDefault"]


async def test_only_what_can_be_defined_has_a_definition(api: Api) -> None:
    for method in ("GET", "PUT", "DELETE"):
        response = await api.send(
            method, "/api/v1/definitions/batch-job", {} if method == "PUT" else None
        )
        assert (404, "DEFINITION_NOT_FOUND") == (
            response.status_code,
            response.json()["error"]["code"],
        )


@pytest.mark.parametrize(
    ("has_prompts", "enabled", "status"), [(False, False, 200), (True, True, 400)]
)
async def test_the_registry_decides_what_may_be_defined_of_a_new_workflow(
    api: Api, monkeypatch: pytest.MonkeyPatch, has_prompts: bool, enabled: bool, status: int
) -> None:
    new = replace(WORKFLOWS[WORKFLOW], name="parcel-check", has_prompts=has_prompts)
    monkeypatch.setitem(WORKFLOWS, new.name, new)
    path = f"/api/v1/definitions/{new.name}"

    default = (await api.get(path)).json()["approval"]
    response = await api.send("PUT", path, {"approval": A_RULE})

    assert (enabled, status) == (default["enabled"], response.status_code)


# --- what follows from it -------------------------------------------------------------------------


async def test_an_execution_keeps_the_version_it_started_with(api: Api) -> None:
    await put(api, {"steps": {"forecast": {"critical": False, "timeoutSeconds": 20}}})
    await api.holds(started := an_execution())
    claimed = await claim(api.store, A_TENANT, started.id, "run-1", 1, workflow=WORKFLOW)
    await put(api, {"approval": A_RULE})

    again = await claim(api.store, A_TENANT, started.id, "run-1", 2, workflow=WORKFLOW)

    assert claimed
    assert again
    assert (1, 1) == (claimed.record.definition_version, again.record.definition_version)
    rules = rules_in(
        await read_definition(
            api.store, A_TENANT, WORKFLOW, SETTINGS, again.record.definition_version
        )
    )
    assert (frozenset({"risk_analysis"}), False) == (rules.critical_steps, rules.approval.enabled)
    assert [timedelta(seconds=20), timedelta(seconds=300)] == [
        rules.timeout_of(step) for step in ("forecast", "risk_analysis")
    ]


async def test_an_execution_shows_its_version_while_the_definition_changes(api: Api) -> None:
    await put(api, {"stepTimeoutSeconds": 20})
    await api.holds(early := an_execution(), late := an_execution())
    shown = f"/api/v1/executions/{early.id}"
    assert "definitionVersion" not in (await api.get(shown)).json()
    await claim(api.store, A_TENANT, early.id, "run-1", 1, workflow=WORKFLOW)

    await put(api, {"stepTimeoutSeconds": 40})
    await claim(api.store, A_TENANT, late.id, "run-2", 2, workflow=WORKFLOW)

    assert 1 == (await api.get(shown)).json()["definitionVersion"]
    listed = (await api.get("/api/v1/executions")).json()["items"]
    assert {early.id: 1, late.id: 2} == {one["id"]: one["definitionVersion"] for one in listed}


async def test_who_started_without_a_definition_keeps_the_defaults(api: Api) -> None:
    await api.holds(started := an_execution())
    await claim(api.store, A_TENANT, started.id, "run-1", 0, workflow=WORKFLOW)
    await put(api, {"approval": A_RULE})

    version = (
        await api.store.read(A_TENANT, ExecutionRecord, started.id)
    ).record.definition_version

    assert 0 == version
    assert not (
        await read_definition(api.store, A_TENANT, WORKFLOW, SETTINGS, version)
    ).approval.enabled


async def test_one_run_gives_each_execution_the_rules_that_it_started_with(api: Api) -> None:
    await put(api, {"stepTimeoutSeconds": 20})
    await api.holds(early := an_execution(), late := an_execution())
    await claim(api.store, A_TENANT, early.id, str(flow_run.id), 1, workflow=WORKFLOW)
    await put(api, {"stepTimeoutSeconds": 40})

    context = cast("Runtime", SimpleNamespace(store=api.store, settings=SETTINGS))
    analyses = await claim_analyses(context, A_TENANT, [early.id, late.id])

    assert [(early.id, timedelta(seconds=20)), (late.id, timedelta(seconds=40))] == [
        (analysis.id, analysis.rules.step_timeout) for analysis in analyses
    ]


async def test_whether_a_tenant_is_enabled_is_read_again_after_a_while(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 100.0
    monkeypatch.setattr(definitions, "monotonic", lambda: now)
    tenants = EnabledTenants(api.store)
    assert await tenants.include(A_TENANT, WORKFLOW)

    await set_definition(api.store, A_TENANT, WORKFLOW, SETTINGS, WantedDefinition(enabled=False))

    assert await tenants.include(A_TENANT, WORKFLOW)
    now += definitions.CACHED_SECONDS
    assert not await tenants.include(A_TENANT, WORKFLOW)
    assert await tenants.include(ANOTHER_TENANT, WORKFLOW)


async def test_a_patch_changes_what_it_names_and_leaves_the_rest(api: Api) -> None:
    await put(
        api,
        {
            "stepTimeoutSeconds": 100,
            "steps": {"forecast": {"critical": False, "timeoutSeconds": 30}},
            "approval": {"enabled": True, "minRiskScore": 0.5, "expiresAfterSeconds": 60},
        },
    )

    changed = await api.send(
        "PATCH",
        PATH,
        {
            "enabled": False,
            "steps": {"forecast": {"timeoutSeconds": 40}, "recommendation": {"critical": True}},
            "approval": {"minRiskScore": 0.6, "expiresAfterSeconds": None},
        },
    )

    shown = changed.json()
    assert (200, 2, False, 100) == (
        changed.status_code,
        shown["version"],
        shown["enabled"],
        shown["stepTimeoutSeconds"],
    )
    assert {"critical": False, "timeoutSeconds": 40.0} == shown["steps"]["forecast"]
    assert shown["steps"]["recommendation"]["critical"]
    rule = shown["approval"]
    assert (True, 0.6, None) == (
        rule["enabled"],
        rule["minRiskScore"],
        rule["expiresAfterSeconds"],
    )


async def test_a_patch_of_the_defaults_and_of_prompts_is_a_definition(api: Api) -> None:
    first = await api.send("PATCH", PATH, {"stepTimeoutSeconds": 77})
    assert (1, False, 77) == tuple(
        first.json()[name] for name in ("version", "isDefault", "stepTimeoutSeconds")
    )

    prompts = "/api/v1/definitions/claim-recovery"
    for hours in (1, 2):
        set_to = {"approval": {"expiresAfterSeconds": 3600 * hours}}
        changed = await api.send("PATCH", prompts, set_to)
        assert 3600 * hours == changed.json()["approval"]["expiresAfterSeconds"]


async def test_a_patch_that_makes_no_definition_is_refused_with_every_place(api: Api) -> None:
    refused = await api.send(
        "PATCH", PATH, {"enabled": "no", "steps": {"forecast": {"critical": 7}}, "unknown": 1}
    )

    assert 400 == refused.status_code
    assert {"/enabled", "/steps/forecast/critical", "/unknown"} == {
        problem["pointer"] for problem in refused.json()["error"]["details"]
    }
    assert (await api.get(PATH)).json()["isDefault"]
