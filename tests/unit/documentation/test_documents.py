"""The API describes itself: completely, truthfully, and without help from elsewhere."""

import json
import re
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml
from click.testing import CliRunner

from api.access.platform_paths import OF_THE_PLATFORM
from api.documentation import exported
from deployments.cli.app import cli
from tests.support.api.api_client import Api, an_api

JsonObject = dict[str, Any]


@pytest.fixture(scope="module")
async def api(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Api]:
    async with an_api(tmp_path_factory.mktemp("api")) as api:
        yield api


@pytest.fixture
async def document(api: Api) -> JsonObject:
    return dict((await api.client.get("/docs/openapi.json")).json())


async def test_the_document_is_openapi_3_1_with_a_title_and_a_description(
    document: JsonObject,
) -> None:
    assert document["openapi"].startswith("3.1.")
    assert "workflow-orchestrator" == document["info"]["title"]
    assert "X-Tenant-ID" in document["info"]["description"]


async def test_the_document_holds_exactly_the_routes_that_are_served(
    api: Api, document: JsonObject
) -> None:
    served = {
        (re.sub(r":\w+}", "}", route.path), method)
        for route in api.app.routes
        for method in getattr(route, "methods", ())
        if method != "OPTIONS"
        and not route.path.startswith("/docs")
        and route.path != "/openapi.yaml"
        and not route.path.endswith("/page")
    }

    assert served == {(path, method.upper()) for path, method, _ in operations(document)}


async def test_every_operation_says_what_it_does(document: JsonObject) -> None:
    assert [] == [
        path
        for path, _, operation in operations(document)
        if not (operation["summary"] and operation["description"])
    ]


LENIENT_PATHS = ("/api/v1/evidence/prompts",)


async def test_every_tenant_route_documents_the_header_and_the_errors(document: JsonObject) -> None:
    for path, _, operation in operations(document):
        if path.startswith("/api/v1") and "/links/" not in path:  # a link names its tenant itself
            header = next(
                parameter
                for parameter in operation["parameters"]
                if parameter["name"] == "X-Tenant-ID"
            )
            assert (True, "header", "uuid") == (
                header["required"],
                header["in"],
                header["schema"]["format"],
            )
            assert {"400", "401", "403", "429", "503"} <= operation["responses"].keys()
            assert {"200", "201", "202"} & operation["responses"].keys()
            # A job's name is an input like its metadata: an unknown one is a bad request.
            # Of a prompt, the platform's clients expect a 200 whose `success` is false. The number
            # of a phase is an input, too.
            named = path.replace("{job}", "").replace("{phase}", "")
            names_record = "{" in named and not path.startswith(LENIENT_PATHS)
            assert ("404" in operation["responses"]) == names_record


async def test_the_document_says_which_routes_need_a_credential(document: JsonObject) -> None:
    assert [{"bearer": []}] == document["security"]
    assert "bearer" == document["components"]["securitySchemes"]["bearer"]["scheme"]
    public = {
        path for path, _, operation in operations(document) if operation.get("security") == [{}]
    }
    links = {path for path, _, _ in operations(document) if "/links/" in path}
    assert links
    assert {"/health", "/ready", "/metrics"} | links == public


async def test_every_post_takes_an_idempotency_key(document: JsonObject) -> None:
    # A link is good once by itself, and no answer that holds one is kept, or holds a key.
    posts = [
        operation
        for path, method, operation in operations(document)
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
    document: JsonObject,
) -> None:
    assert [] == [
        (path, method)
        for path, method, operation in operations(document)
        if method in ("post", "put", "patch") and "413" not in operation["responses"]
    ]


async def test_every_route_of_a_tenant_documents_both_limits_and_the_throttled_database(
    document: JsonObject,
) -> None:
    for path, _, operation in operations(document):
        if path.startswith("/api/v1"):
            examples = operation["responses"]["429"]["content"]["application/json"][
                "examples"
            ].values()
            assert {"RATE_LIMITED", "THROTTLED"} <= {example["summary"] for example in examples}


async def test_every_response_has_an_example_that_its_schema_accepts(document: JsonObject) -> None:
    for path, _, operation in operations(document):
        for status, response in operation["responses"].items():
            for content in response["content"].values():
                examples = content.get("examples", {}).values()
                assert examples or path in ("/metrics", "/api/metrics"), (path, status)
                for example in examples:
                    schema = {**content["schema"], "components": document["components"]}
                    jsonschema.validate(example["value"], schema, jsonschema.Draft202012Validator)


async def test_every_error_has_the_envelope(document: JsonObject) -> None:
    for path, _, operation in operations(document):
        for status, response in operation["responses"].items():
            if status >= "400" and path != "/ready":
                reference = response["content"]["application/json"]["schema"]["$ref"]
                is_of_services = "/workflow/" in path or path.startswith(OF_THE_PLATFORM)
                body = "WorkflowRefused" if is_of_services else "ErrorEnvelope"
                assert f"#/components/schemas/{body}" == reference


async def test_the_page_shows_every_route_and_loads_nothing(api: Api, document: JsonObject) -> None:
    response = await api.client.get("/docs")

    assert "text/html; charset=utf-8" == response.headers["content-type"]
    assert [] == [path for path, _, _ in operations(document) if path not in response.text]
    assert not re.search(r"<script|<link|src=|@import|url\(", response.text)


async def test_the_page_leads_only_to_itself(api: Api) -> None:
    page = (await api.client.get("/docs")).text

    anchors = {f"#{id}" for id in re.findall(r'id="([^"]+)"', page)}
    assert set(re.findall(r'href="([^"]+)"', page)) == anchors | {
        "/docs/openapi.json",
        "/docs/openapi.yaml",
    }


async def test_the_document_is_the_same_as_yaml_at_both_addresses(
    api: Api, document: JsonObject
) -> None:
    beside, at_the_root = (
        await api.client.get("/docs/openapi.yaml"),
        await api.client.get("/openapi.yaml"),
    )

    assert (200, "application/yaml") == (
        at_the_root.status_code,
        at_the_root.headers["content-type"].partition(";")[0],
    )
    assert beside.content == at_the_root.content
    read = yaml.load(at_the_root.content, yaml.CSafeLoader)
    assert document == read
    assert list(document["paths"]) == list(read["paths"])


def test_the_document_is_exported_as_json_and_yaml_for_everyone_to_read(tmp_path: Path) -> None:
    run = CliRunner().invoke(cli, ["openapi", "--out", str(tmp_path / "docs")], obj={})

    assert (0, "") == (run.exit_code, run.stderr)
    as_json = json.loads((tmp_path / "docs" / "openapi.json").read_text())
    as_yaml = (tmp_path / "docs" / "openapi.yaml").read_bytes()
    assert as_json["openapi"].startswith("3.1.")
    assert as_json == yaml.load(as_yaml, yaml.CSafeLoader)


async def test_the_yaml_is_written_once(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    first = await api.client.get("/openapi.yaml")
    monkeypatch.setattr(exported, "openapi_yaml", None)

    assert first.content == (await api.client.get("/openapi.yaml")).content


def test_a_text_that_only_yaml_1_2_reads_as_a_number_is_quoted() -> None:
    assert "a: '1e3'\n" == yaml.dump({"a": "1e3"}, Dumper=exported.YamlDumper)


def operations(document: JsonObject) -> Iterator[tuple[str, str, JsonObject]]:
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            yield path, method, operation
