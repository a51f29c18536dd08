"""A web page of another origin reads and moves nothing of the embedded Prefect server: real
requests to a real one.
"""

import httpx
import pytest

from blocks.settings import load_settings
from deployments.prefect.server import server_environment, ui_url
from tests.support.servers.prefect_server import PrefectServer

FOREIGN = {"Origin": "http://evil.example"}


def test_the_embedded_server_is_started_with_its_own_origin_alone() -> None:
    settings = load_settings({})

    assert ui_url(settings) == server_environment(settings)["PREFECT_SERVER_CORS_ALLOWED_ORIGINS"]


@pytest.mark.parametrize(
    ("method", "path", "headers"),
    [
        ("GET", "/block_types/slug/message-broker", {}),
        ("POST", "/block_documents/filter", {"Content-Type": "text/plain"}),
        # a page that sends a Blob names no type, and sends no preflight first
        ("POST", "/block_documents/filter", {}),
        ("POST", "/flow_runs/0c22619a-d559-4f71-abae-5a4f64e0ea12/resume", {}),
        ("OPTIONS", "/block_documents/filter", {"Access-Control-Request-Method": "POST"}),
    ],
)
def test_a_foreign_page_is_refused_before_anything_happens(
    prefect_server: PrefectServer, method: str, path: str, headers: dict[str, str]
) -> None:
    url = f"{prefect_server.api_url}{path}"
    ours = httpx.request(method, url, content=b"{}", headers=headers)
    foreign = httpx.request(method, url, content=b"{}", headers=headers | FOREIGN)
    rebound = httpx.request(method, url, content=b"{}", headers=headers | {"Host": "evil.example"})

    assert (403, 403) == (foreign.status_code, rebound.status_code)
    assert 403 != ours.status_code
    assert "access-control-allow-origin" not in foreign.headers
