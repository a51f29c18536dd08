"""What a browser learns: which pages may call the API, and what it may do with an answer."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from blocks.settings import BadSetting, load_settings
from tests.support.api.api_client import Api, an_api
from tests.support.factories import A_TENANT

APP, OTHER = "https://app.customer.example", "https://elsewhere.example"
EXECUTIONS = "/api/v1/executions"


@pytest.fixture(scope="module")
async def api(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Api]:
    async with an_api(
        tmp_path_factory.mktemp("api"), ALLOWED_ORIGINS=f"{APP}, http://127.0.0.1:5173"
    ) as api:
        yield api


def preflight(origin: str, method: str = "POST") -> dict[str, str]:
    return {
        "origin": origin,
        "access-control-request-method": method,
        "access-control-request-headers": (
            "authorization, x-tenant-id, idempotency-key, if-match, content-type"
        ),
    }


async def test_a_page_of_an_allowed_origin_may_call_and_read(api: Api) -> None:
    asked = await api.client.options(EXECUTIONS, headers=preflight(APP))
    answer = await api.client.get(EXECUTIONS, headers={"origin": APP, "X-Tenant-ID": A_TENANT})

    assert (204, APP) == (asked.status_code, asked.headers["access-control-allow-origin"])
    assert (200, APP) == (answer.status_code, answer.headers["access-control-allow-origin"])
    assert "Retry-After" in answer.headers["access-control-expose-headers"]
    assert "access-control-allow-credentials" not in {*asked.headers, *answer.headers}


@pytest.mark.parametrize(
    "origin", [OTHER, "null", f"{APP}.evil.example", "https://app.customer.example:8443"]
)
async def test_a_page_of_any_other_origin_may_not(api: Api, origin: str) -> None:
    asked = await api.client.options(EXECUTIONS, headers=preflight(origin))
    answer = await api.client.get(EXECUTIONS, headers={"origin": origin, "X-Tenant-ID": A_TENANT})

    assert 400 == asked.status_code
    assert "access-control-allow-origin" not in {*asked.headers, *answer.headers}


async def test_by_default_no_page_may(tmp_path: Path) -> None:
    async with an_api(tmp_path) as api:
        asked = await api.client.options(EXECUTIONS, headers=preflight(APP))
        answer = await api.client.get(EXECUTIONS, headers={"origin": APP, "X-Tenant-ID": A_TENANT})

    assert [] == [
        name for name in (*asked.headers, *answer.headers) if name.startswith("access-control")
    ]


@pytest.mark.parametrize(
    "origin", ["*", "https://*.customer.example", f"{APP}/", "app.customer.example", APP.upper()]
)
def test_an_origin_that_could_not_match_is_refused_at_the_start(origin: str) -> None:
    with pytest.raises(
        BadSetting, match=r"ALLOWED_ORIGINS\) has .*use the scheme and host of a page"
    ):
        load_settings({"ALLOWED_ORIGINS": origin})


@pytest.mark.parametrize("proxy", ["proxy.internal", "10.0.0.1/8", "*"])
def test_a_proxy_that_is_no_address_is_refused_at_the_start(proxy: str) -> None:
    with pytest.raises(BadSetting, match=r"TRUSTED_PROXIES\) has"):
        load_settings({"TRUSTED_PROXIES": proxy})


@pytest.mark.parametrize("path", ["/health", EXECUTIONS, "/nope", "/docs", "/schema/openapi.json"])
async def test_no_answer_runs_scripts_stands_in_a_frame_or_stays_in_a_cache(
    api: Api, path: str
) -> None:
    headers = (await api.get(path)).headers

    assert headers["content-security-policy"].startswith("default-src 'none'; ")
    assert headers["content-security-policy"].endswith("frame-ancestors 'none'")
    assert ("nosniff", "no-store", "no-referrer", "DENY", "same-origin") == (
        headers["x-content-type-options"],
        headers["cache-control"],
        headers["referrer-policy"],
        headers["x-frame-options"],
        headers["cross-origin-resource-policy"],
    )
