"""The API describes itself: completely, truthfully, and without help from elsewhere."""

import json
import re
from collections.abc import Iterator
from pathlib import Path

import jsonschema
import pytest
import yaml
from click.testing import CliRunner

from api.access.platform_paths import OF_THE_PLATFORM
from api.documentation import exported
from api.documentation.completed import operations
from api.documentation.parts import PARTS
from blocks.contracts.events import JsonObject
from deployments.cli.app import cli
from tests.support.api.api_client import Api
from tests.support.api.every_route import every_route
from tests.unit.documentation.conftest import Documents


def of_both(documents: Documents) -> Iterator[tuple[str, str, JsonObject]]:
    for document in documents.values():
        yield from operations(document)


# --- what they hold -------------------------------------------------------------------------------


@pytest.mark.parametrize("part", PARTS)
async def test_a_document_is_openapi_3_1_with_a_title_and_a_description(
    documents: Documents, part: str
) -> None:
    document = documents[part]

    assert document["openapi"].startswith("3.1.")
    assert document["info"]["title"].startswith("workflow-orchestrator")
    assert len(document["info"]["description"]) > 200


async def test_each_route_that_is_served_is_in_one_of_the_two_documents(
    api: Api, documents: Documents
) -> None:
    served = [
        (route.path, route.method.lower())
        for route in every_route()
        if not route.path.startswith(("/docs", "/schema")) and not route.path.endswith("/page")
    ]
    documented = [(path, method) for path, method, _ in of_both(documents)]

    assert sorted(served) == sorted(documented)


async def test_what_is_deprecated_or_in_anothers_form_is_in_the_compatible_one(
    documents: Documents,
) -> None:
    others = ("/api/v1/workflow", "/api/v1/evidence", "/api/hitl", "/hitl", *OF_THE_PLATFORM)

    assert all(path.startswith(others) for path in documents["compatible"]["paths"])
    assert not any(path.startswith(others) for path in documents["openapi"]["paths"])
    assert {False} == {
        operation.get("deprecated", False) for _, _, operation in operations(documents["openapi"])
    }


@pytest.mark.parametrize("part", PARTS)
async def test_a_document_has_the_components_that_it_needs_and_no_others(
    documents: Documents, part: str
) -> None:
    document = documents[part]
    components = document["components"]
    there_are = {
        f"#/components/{kind}/{name}"
        for kind, named in components.items()
        for name in named
        if kind != "securitySchemes"
    }

    assert there_are == set(re.findall(r'"\$ref": "([^"]+)"', json.dumps(document)))


async def test_every_operation_says_what_it_does_and_which_role_it_needs(
    documents: Documents,
) -> None:
    assert [] == [
        path
        for path, _, operation in of_both(documents)
        if not (
            operation["summary"]
            and re.search(r".\n\nNeeds (no credential|the role `\w+`)\.$", operation["description"])
        )
    ]


# --- credentials ----------------------------------------------------------------------------------


async def test_the_first_steps_name_operations_as_the_page_lists_them(
    documents: Documents,
) -> None:
    document = documents["openapi"]
    steps, _ = document["info"]["description"].split("**Credentials.**")
    summaries = {operation["summary"] for _, _, operation in operations(document)}

    named = set(re.findall(r"(?<!\*)\*([A-Z][^*]+)\*(?!\*)", steps)) - {"Authorize"}

    assert len(named) >= 6
    assert named <= summaries


async def test_what_a_request_has_to_give_comes_before_what_it_may(documents: Documents) -> None:
    for path, method, operation in of_both(documents):
        required = [one.get("required", False) for one in operation.get("parameters", ())]
        assert sorted(required, reverse=True) == required, (path, method)


async def test_the_errors_of_one_status_are_told_apart_where_one_is_chosen(
    documents: Documents,
) -> None:
    for document in documents.values():
        examples = document["components"]["examples"]
        for path, method, operation in operations(document):
            for status, response in operation["responses"].items():
                shown = response.get("content", {}).get("application/json", {}).get("examples", {})
                summaries = [examples[name]["summary"] for name in shown]
                assert len(set(summaries)) == len(summaries), (path, method, status, summaries)


async def test_an_execution_that_was_just_started_is_pending_in_the_example(
    documents: Documents,
) -> None:
    document = documents["openapi"]
    answer = document["paths"]["/api/v1/executions"]["post"]["responses"]["201"]
    [name] = answer["content"]["application/json"]["examples"]

    assert "pending" == document["components"]["examples"][name]["value"]["status"]


@pytest.mark.parametrize("part", PARTS)
async def test_a_request_shows_a_credential_and_its_tenant(documents: Documents, part: str) -> None:
    document = documents[part]
    schemes = document["components"]["securitySchemes"]

    assert [{"bearer": [], "tenant": []}] == document["security"]
    assert ("http", "bearer") == (schemes["bearer"]["type"], schemes["bearer"]["scheme"])
    assert ("apiKey", "header", "X-Tenant-ID") == (
        schemes["tenant"]["type"],
        schemes["tenant"]["in"],
        schemes["tenant"]["name"],
    )


async def test_the_documents_say_which_routes_need_no_credential(documents: Documents) -> None:
    public = {
        path for path, _, operation in of_both(documents) if operation.get("security") == [{}]
    }
    links = {path for path, _, _ in of_both(documents) if "/links/" in path}

    assert links
    assert {"/health", "/ready", "/metrics"} | links == public


# --- answers --------------------------------------------------------------------------------------

LENIENT_PATHS = ("/api/v1/evidence/prompts",)


async def test_every_tenant_route_documents_its_errors(documents: Documents) -> None:
    for path, _, operation in of_both(documents):
        if path.startswith("/api/v1") and "/links/" not in path:  # a link names its tenant itself
            assert {"400", "401", "403", "429", "503"} <= operation["responses"].keys()
            assert {"200", "201", "202", "204"} & operation["responses"].keys()
            # A job's name is an input like its metadata: an unknown one is a bad request.
            # Of a prompt, the platform's clients expect a 200 whose `success` is false. The number
            # of a phase is an input, too.
            named = path.replace("{job}", "").replace("{phase}", "")
            names_record = "{" in named and not path.startswith(LENIENT_PATHS)
            assert ("404" in operation["responses"]) == names_record


async def test_every_post_takes_an_idempotency_key(documents: Documents) -> None:
    # A link is good once by itself, and no answer that holds one is kept, or holds a key.
    posts = [
        operation
        for path, method, operation in of_both(documents)
        if method == "post" and "/links" not in path and not path.endswith("/keys")
    ]
    assert posts
    for operation in posts:
        [header] = [
            parameter
            for parameter in operation["parameters"]
            if parameter["name"] == "Idempotency-Key"
        ]
        assert ("header", False, 200) == (
            header["in"],
            header["required"],
            header["schema"]["maxLength"],
        )
        assert {"409", "422"} <= operation["responses"].keys()


async def test_every_route_that_takes_a_body_says_that_it_may_be_too_large(
    documents: Documents,
) -> None:
    assert [] == [
        (path, method)
        for path, method, operation in of_both(documents)
        if method in ("post", "put", "patch") and "413" not in operation["responses"]
    ]


async def test_every_route_of_a_tenant_documents_both_limits_and_the_throttled_database(
    documents: Documents,
) -> None:
    for document in documents.values():
        for path, _, operation in operations(document):
            if path.startswith("/api/v1"):
                answer = operation["responses"]["429"]["content"]["application/json"]
                shown = examples(document, answer)
                assert {"RATE_LIMITED", "THROTTLED"} <= {code_of(one) for one in shown}, path


def code_of(example: JsonObject) -> str:
    """In the form of the platform's services, which has no code, the summary begins with it."""
    error = example["value"]["error"]
    code: str = example["summary"].partition(":")[0] if isinstance(error, str) else error["code"]
    return code


async def test_every_response_has_an_example_that_its_schema_accepts(documents: Documents) -> None:
    for document in documents.values():
        for path, _, operation in operations(document):
            for status, response in operation["responses"].items():
                for content in response.get("content", {}).values():
                    shown = examples(document, content)
                    assert shown or path in ("/metrics", "/api/metrics"), (path, status)
                    for example in shown:
                        check(document, content["schema"], example["value"])


async def test_every_body_has_an_example_that_its_schema_accepts(documents: Documents) -> None:
    bodies = 0
    for document in documents.values():
        for path, _, operation in operations(document):
            if "requestBody" in operation:
                bodies += 1
                [content] = operation["requestBody"]["content"].values()
                shown = examples(document, content)
                assert shown, path
                check(document, content["schema"], shown[0]["value"])
    assert bodies > 50


async def test_every_error_has_the_envelope_and_problem_details(documents: Documents) -> None:
    for path, _, operation in of_both(documents):
        for status, response in operation["responses"].items():
            if status >= "400" and path != "/ready":
                is_of_services = "/workflow/" in path or path.startswith(OF_THE_PLATFORM)
                body = "WorkflowRefused" if is_of_services else "ErrorEnvelope"
                assert {"application/json": body, "application/problem+json": "ProblemDetails"} == {
                    media: content["schema"]["$ref"].rpartition("/")[2]
                    for media, content in response["content"].items()
                }


async def test_every_read_with_an_etag_can_be_conditional(documents: Documents) -> None:
    for path, method, operation in of_both(documents):
        names = {parameter["name"] for parameter in operation.get("parameters", ())}
        has_etag = "ETag" in operation["responses"].get("200", {}).get("headers", ())
        is_conditional = method == "get" and has_etag

        assert is_conditional == ("304" in operation["responses"]), path
        assert is_conditional <= ("If-None-Match" in names), path


def examples(document: JsonObject, content: JsonObject) -> list[JsonObject]:
    """Of a body or an answer in one media type."""
    return [
        document["components"]["examples"][example["$ref"].rpartition("/")[2]]
        for example in content.get("examples", {}).values()
    ]


def check(document: JsonObject, schema: JsonObject, value: object) -> None:
    jsonschema.validate(
        value, {**schema, "components": document["components"]}, jsonschema.Draft202012Validator
    )


# --- as files -------------------------------------------------------------------------------------


@pytest.mark.parametrize("part", PARTS)
async def test_a_document_is_the_same_as_yaml(api: Api, documents: Documents, part: str) -> None:
    answer = await api.client.get(f"/schema/{part}.yaml")

    assert (200, "application/yaml") == (
        answer.status_code,
        answer.headers["content-type"].partition(";")[0],
    )
    read = yaml.load(answer.content, yaml.CSafeLoader)
    assert documents[part] == read
    assert list(documents[part]["paths"]) == list(read["paths"])


def test_the_documents_are_exported_as_json_and_yaml_for_everyone_to_read(tmp_path: Path) -> None:
    folder = tmp_path / "docs"
    run = CliRunner().invoke(cli, ["openapi", "--out", str(folder)], obj={})

    assert (0, "") == (run.exit_code, run.stderr)
    for part in PARTS:
        as_json = json.loads((folder / f"{part}.json").read_text())
        assert as_json["openapi"].startswith("3.1.")
        assert as_json == yaml.load((folder / f"{part}.yaml").read_bytes(), yaml.CSafeLoader)


@pytest.mark.parametrize(
    ("options", "path"), [([], "/api/v1/executions"), (["--compatible"], "/hitl/approvals")]
)
def test_either_document_is_printed(options: list[str], path: str) -> None:
    run = CliRunner().invoke(cli, ["openapi", *options], obj={})

    assert path in yaml.load(run.stdout, yaml.CSafeLoader)["paths"]


async def test_the_yaml_is_written_once(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    first = await api.client.get("/schema/openapi.yaml")
    monkeypatch.setattr(exported, "yaml_of", None)

    assert first.content == (await api.client.get("/schema/openapi.yaml")).content


def test_a_text_that_only_yaml_1_2_reads_as_a_number_is_quoted() -> None:
    assert "a: '1e3'\n" == yaml.dump({"a": "1e3"}, Dumper=exported.YamlDumper)
