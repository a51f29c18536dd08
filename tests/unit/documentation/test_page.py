"""`/docs`: an OpenAPI browser that needs nothing from elsewhere and runs no other script."""

import re

import pytest

from api.documentation.page import BROWSER, PATHS
from tests.support.api.api_client import Api

Page = pytest.mark.parametrize(("part", "path"), PATHS.items())


@Page
async def test_a_page_names_its_document_and_leads_to_the_other(
    api: Api, part: str, path: str
) -> None:
    page = await api.client.get(path)

    assert "text/html; charset=utf-8" == page.headers["content-type"]
    assert f'data-document="/schema/{part}.json"' in page.text
    links = re.findall(r'<a href="([^"]+)"', page.text)
    assert {*PATHS.values(), f"/schema/{part}.json", f"/schema/{part}.yaml"} == set(links)
    assert [200] * len(links) == [(await api.client.get(link)).status_code for link in links]


@Page
async def test_a_page_loads_files_of_this_server_only(api: Api, part: str, path: str) -> None:
    page = await api.client.get(path)

    loaded = re.findall(r'(?:src|stylesheet" href)="([^"]+)"', page.text)
    assert 4 == len(loaded)
    for file in loaded:
        answer = await api.client.get(file)
        assert (200, True) == (answer.status_code, file.startswith("/docs/assets/"))
        assert answer.headers["content-type"].startswith(("text/css", "text/javascript"))


@Page
async def test_a_page_runs_no_script_that_stands_in_it(api: Api, part: str, path: str) -> None:
    page = await api.client.get(path)

    policy = page.headers["content-security-policy"]
    assert policy.startswith("default-src 'none'; script-src 'self'; ")
    assert "unsafe" not in policy
    assert [] == re.findall(r"<script>|<style>| on\w+=|style=", page.text)


async def test_a_file_that_is_none_of_the_page_is_an_error_as_any(api: Api) -> None:
    for path in ("/docs/assets/nope.js", "/docs/assets/../page.py", "/docs/nope", "/schema/nope"):
        answer = await api.client.get(path)
        assert (404, "NOT_FOUND") == (answer.status_code, answer.json()["error"]["code"])


def test_the_licence_of_the_browser_is_in_the_package() -> None:
    assert "Apache License" in (BROWSER / "LICENSE").read_text()
    assert "SmartBear" in (BROWSER / "NOTICE").read_text()
