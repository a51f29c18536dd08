"""Clients that public generators make of the document live through an execution."""

import asyncio
import os
import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from blocks.contracts.roles import ROLES
from tests.support.api.credentials import a_service_token
from tests.support.api.served_api import ServedApi, served_api
from tests.support.factories import A_TENANT

pytestmark = pytest.mark.clients

ROOT = Path(__file__).parents[3]
TOOLS = ROOT / "tests/support/api_tools"
PYTHON = ROOT / "build/api-tools/bin"
TOKEN = a_service_token(*ROLES, "act-for-users")


@pytest.fixture
async def api(tmp_path: Path) -> AsyncIterator[ServedApi]:
    async with served_api(tmp_path / "data") as api:
        async with httpx.AsyncClient() as client:
            document = (await client.get(f"{api.url}/schema/openapi.json")).content
        (tmp_path / "openapi.json").write_bytes(document)
        yield api


async def run(*command: str | Path, folder: Path, **environment: str) -> None:
    process = await asyncio.create_subprocess_exec(
        *command,
        cwd=folder,
        env=os.environ | environment,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    async with asyncio.timeout(300):
        output, _ = await process.communicate()
    assert 0 == process.returncode, output.decode()


async def test_a_python_client_lives_through_an_execution(api: ServedApi, tmp_path: Path) -> None:
    generate = (PYTHON / "openapi-python-client", "generate", "--meta", "none")
    package = "workflow_orchestrator_client"
    await run(*generate, "--path", "openapi.json", "--output-path", package, folder=tmp_path)

    await run(PYTHON / "python", "-m", "compileall", "-q", package, folder=tmp_path)
    life = (TOOLS / "life.py", api.url, TOKEN, A_TENANT)
    await run(PYTHON / "python", *life, folder=tmp_path, PYTHONPATH=str(tmp_path))


async def test_a_typescript_client_lives_through_an_execution(
    api: ServedApi, tmp_path: Path
) -> None:
    for name in ("life.ts", "tsconfig.json", "package.json"):
        shutil.copy(TOOLS / name, tmp_path)
    (tmp_path / "node_modules").symlink_to(TOOLS / "node_modules")
    tools = TOOLS / "node_modules/.bin"
    # A field with a default may be left out.
    generate = (tools / "openapi-typescript", "openapi.json", "--default-non-nullable", "false")
    await run(*generate, "-o", "openapi.d.ts", folder=tmp_path)

    await run(tools / "tsc", folder=tmp_path)
    await run("node", "life.js", api.url, TOKEN, A_TENANT, folder=tmp_path)
