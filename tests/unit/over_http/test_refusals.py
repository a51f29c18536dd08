"""What goes wrong between `orchestrator --api` and the API: one readable line, without the secret,
and nothing is done twice.
"""

import asyncio
from collections.abc import Sequence
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from deployments.cli.app import cli
from deployments.cli.errors import explained
from tests.support.api.credentials import a_token
from tests.support.api.served_api import served_api
from tests.support.factories import A_TENANT, ANOTHER_TENANT, an_approval
from tests.support.servers.canned_http import CannedHttp, answer, canned_http
from tests.support.servers.ports import free_port

KEY = "wfo_8c1f0a6b2d4e_this-part-of-it_is_secret-and-never-shown-again"
LIST = ("executions", "list", "--tenant", A_TENANT)
START = ("executions", "start", "deal-1", "--tenant", A_TENANT)
NOTHING = answer(b'{"items": []}')
BUSY = b'{"type":"about:blank","title":"","status":429,"detail":"Too many","code":"RATE_LIMITED"}'


def ran(url: str, *arguments: str, key: str = KEY) -> Result:
    result = CliRunner().invoke(cli, ["--api", url, *arguments], obj={}, env=environment(key))
    assert key not in result.output + str(result.exception)
    return result


def environment(key: str) -> dict[str, str | None]:
    return {"ORCHESTRATOR_API_KEY": key, "ORCHESTRATOR_TENANT": None}


def line_of(result: Result) -> tuple[str, int]:
    assert result.exception is not None
    return explained(result.exception)


async def answered(
    answers: Sequence[bytes], *arguments: str, key: str = KEY
) -> tuple[CannedHttp, str, Result]:
    async with canned_http(*answers) as (server, url):
        return server, url, await asyncio.to_thread(ran, url, *arguments, key=key)


# --- the API refuses ------------------------------------------------------------------------------


async def test_a_wrong_key_is_named_by_its_prefix_and_tenant(tmp_path: Path) -> None:
    async with served_api(tmp_path) as api:
        line, status = line_of(await asyncio.to_thread(ran, api.url, *LIST))

    assert 1 == status
    assert "The credential is not valid (401 UNAUTHORIZED)" in line
    assert f"shown was key 8c1f0a6b2d4e, for tenant {A_TENANT}" in line


async def test_another_tenants_credential_is_refused_by_name(tmp_path: Path) -> None:
    async with served_api(tmp_path) as api:
        of_another = a_token("admin", tenant_id=ANOTHER_TENANT)
        run = await asyncio.to_thread(ran, api.url, *LIST, key=of_another)
    line, status = line_of(run)

    assert (1, True) == (status, "The tenant is not the credential's (403 FORBIDDEN)" in line)
    assert f"shown was the token, for tenant {A_TENANT}" in line


async def test_an_api_that_repeats_one_page_is_refused() -> None:
    one_page = answer(b'{"items": [], "continuation": "x"}')
    server, url, run = await answered([one_page] * 4, *LIST)

    assert f"the API at {url} repeats one page" in line_of(run)[0]
    assert 2 == len(server.received)


async def test_what_is_missing_is_named_with_its_path(tmp_path: Path) -> None:
    async with served_api(tmp_path) as api:
        run = await asyncio.to_thread(
            ran, api.url, "executions", "show", "a b", "--tenant", A_TENANT, key=a_token("admin")
        )

    assert "404 EXECUTION_NOT_FOUND" in line_of(run)[0]


async def test_input_that_the_api_does_not_take_is_bad_input(tmp_path: Path) -> None:
    async with served_api(tmp_path) as api:
        add = ("webhooks", "add", "http://10.0.0.1/x", "--tenant", A_TENANT)
        run = await asyncio.to_thread(ran, api.url, *add, key=a_token("admin"))
    line, status = line_of(run)

    assert (2, True) == (status, "(400 VALIDATION_ERROR)" in line)
    assert "url" in line


async def test_no_one_decides_in_another_users_name(tmp_path: Path) -> None:
    async with served_api(tmp_path) as api:
        approval = an_approval(execution_id=None)
        await api.store.create(A_TENANT, approval)
        approve = ("approvals", "approve", approval.id, "--tenant", A_TENANT, "--as", "bob")
        run = await asyncio.to_thread(ran, api.url, *approve, key=a_token("approver", user="ann"))

    assert "The credential is another user's" in line_of(run)[0]


# --- the API is away, or half there ---------------------------------------------------------------


def test_an_api_that_is_away_is_named() -> None:
    url = f"http://127.0.0.1:{free_port()}"
    line, status = line_of(ran(url, *LIST))

    assert (1, True) == (status, line.startswith(f"the API at {url} does not answer: "))
    assert "not known" not in line


async def test_half_a_page_is_no_page() -> None:
    half = b'HTTP/1.1 200 OK\r\ncontent-length: 900\r\n\r\n{"items": [{"id": "0f9619ff'
    server, _, run = await answered([half], *LIST)

    assert "the answer broke off" in line_of(run)[0]
    assert "" == run.stdout
    assert 3 == len(server.received)


async def test_a_page_that_breaks_off_once_is_asked_for_again() -> None:
    server, _, run = await answered([b"HTTP/1.1 200 OK\r\ncontent-len", NOTHING], *LIST)

    assert (0, "no executions\n", 2) == (run.exit_code, run.stdout, len(server.received))


async def test_a_lost_answer_does_nothing_twice() -> None:
    server, _, run = await answered([b"HTTP/1.1 201 Crea"], *START)
    keys = {request.headers["idempotency-key"] for request in server.received}

    assert (3, 1) == (len(server.received), len(keys))
    assert "whether it was done is not known" in line_of(run)[0]


async def test_a_lost_answer_that_may_not_be_repeated_is_not() -> None:
    create = ("keys", "create", "--name", "b", "--role", "viewer", "--tenant", A_TENANT)
    server, _, run = await answered([b"HTTP/1.1 201 Crea"], *create)

    assert 1 == len(server.received)
    assert "whether it was done is not known" in line_of(run)[0]


@pytest.mark.parametrize(
    "strange",
    [
        answer(b"<h1>Bad gateway</h1>", "502 Bad Gateway"),
        answer(b"", "302 Found", "location: https://login.example/\r\n"),
    ],
)
async def test_what_is_not_the_api_is_recognised(strange: bytes) -> None:
    _, url, run = await answered([strange], *LIST)
    line, status = line_of(run)

    assert (1, True) == (status, line.startswith(f"{url} did not answer /api/v1/executions as"))


async def test_documents_of_another_version_are_an_error_in_one_line() -> None:
    _, _, run = await answered([answer(b'{"items": [{"id": 7}]}')], *LIST)

    assert "with what this version does not know" in line_of(run)[0]


async def test_a_throttled_request_waits_as_the_api_asks() -> None:
    busy = answer(BUSY, "429 Too Many Requests", "retry-after: 1\r\n")
    server, _, run = await answered([busy, NOTHING], *LIST)

    assert (0, 2) == (run.exit_code, len(server.received))
    assert "the API asks to wait 1 s" in run.stderr


async def test_a_wait_that_is_too_long_is_said() -> None:
    busy = answer(BUSY, "429 Too Many Requests", "retry-after: 3600\r\n")
    server, _, run = await answered([busy], *LIST)

    assert 1 == len(server.received)
    assert "Too many (429 RATE_LIMITED): try again in 3600 s" == line_of(run)[0]


# --- what is shown --------------------------------------------------------------------------------


@pytest.fixture
def key_file(tmp_path: Path) -> Path:
    file = tmp_path / "key"
    file.write_text(f"{KEY}\n")
    return file


async def test_the_key_comes_from_a_file_and_the_user_from_an_option(key_file: Path) -> None:
    async with canned_http(answer(status="404 Not Found")) as (server, url):
        options = ["--api", url, "--key-file", str(key_file), *START, "--as", "ann"]
        env: dict[str, str | None] = {"ORCHESTRATOR_API_KEY": None}
        await asyncio.to_thread(CliRunner().invoke, cli, options, obj={}, env=env)
    headers = server.received[0].headers

    assert (f"Bearer {KEY}", A_TENANT, "ann") == (
        headers["authorization"],
        headers["x-tenant-id"],
        headers["x-user-id"],
    )


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        (("--api", "ftp://a"), "must be http"),
        (("--api", "https://user:word@a"), "without a user"),
        (("--api", "a.example"), "must be http"),
        (("--api", "http://a", "--key", "two words"), "no credential has"),
        (("--api", "http://a", "--key", "a", "--key-file", "b"), "Name the key once"),
    ],
)
def test_what_names_no_api_or_key_is_refused(options: tuple[str, ...], problem: str) -> None:
    env: dict[str, str | None] = {"ORCHESTRATOR_API_KEY": None}
    run = CliRunner().invoke(cli, [*options, *LIST], obj={}, env=env)

    assert 2 == run.exit_code
    assert problem in run.output
    assert "word@" not in run.output
