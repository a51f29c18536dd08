"""The security audit on a real PostgreSQL, and as Prefect carries it out and shows it."""

import json
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from prefect.client.orchestration import PrefectClient, get_client
from prefect.client.schemas.filters import ArtifactFilter, ArtifactFilterFlowRunId
from prefect.settings import PREFECT_API_URL, temporary_settings

from blocks.clock import utc_now
from blocks.contracts.ids import SYSTEM_TENANT
from blocks.contracts.operations.catalogue import SECURITY_AUDIT
from blocks.contracts.records import ExecutionRecord
from blocks.operations.security.database_roles import check_roles
from blocks.ports import Query
from blocks.settings import load_settings
from blocks.settings.operations.databases import database_at
from tests.support.servers.postgres import Postgres
from tests.support.servers.prefect_server import PrefectServer
from tests.support.system.orchestra import Orchestra, whole_orchestra
from tests.support.waiting import eventually

OLD_JINJA = {
    "id": "GHSA-462w-v97r-4m45",
    "modified": "2024-09-20T15:57:30Z",
    "summary": "Jinja2 sandbox escape",
    "affected": [
        {
            "package": {"ecosystem": "PyPI", "name": "jinja2"},
            "ranges": [{"type": "ECOSYSTEM", "events": [{"introduced": "0"}, {"fixed": "2.10.1"}]}],
        }
    ],
}


@pytest.fixture
async def roles(postgres: Postgres) -> AsyncIterator[Any]:
    connection = await asyncpg.connect(postgres.url().replace("+asyncpg", ""))
    try:
        yield connection
    finally:
        await connection.execute("DROP ROLE IF EXISTS boss, robot, ann, ben, staff")
        await connection.close()


async def test_superusers_and_passwords_without_end_are_found(
    postgres: Postgres, roles: Any
) -> None:
    now = utc_now()
    await roles.execute(f"""
        CREATE ROLE boss SUPERUSER;
        CREATE ROLE robot LOGIN;
        CREATE ROLE ann LOGIN VALID UNTIL '{now + timedelta(days=5)}';
        CREATE ROLE ben LOGIN VALID UNTIL '{now + timedelta(days=200)}';
        CREATE ROLE staff;
    """)
    settings = load_settings({}).operations.security_audit

    _, found = await check_roles(database_at(postgres.url(), "DATABASE_URL"), settings, now)

    problems = {one.subject: one.problem for one in found}
    assert {
        "database role boss": "it is a superuser",
        "database role robot": "its password never expires",
        "database role ann": f"its password expires on {now + timedelta(days=5):%Y-%m-%d}",
        "database role postgres": "its password never expires",
    } == {role: problem for role, problem in problems.items() if "clerk" not in role}


# --- in Prefect -----------------------------------------------------------------------------------


@pytest.fixture
async def parts(tmp_path: Path, prefect_server: PrefectServer) -> AsyncIterator[Orchestra]:
    (tmp_path / "advisory.json").write_text(json.dumps(OLD_JINJA))
    (tmp_path / "shop.lock").write_text("jinja2==2.10\n")
    async with whole_orchestra(
        tmp_path,
        prefect_server,
        SECURITY_AUDIT_ADVISORIES=str(tmp_path / "advisory.json"),
        SECURITY_AUDIT_LOCK_FILES=str(tmp_path / "shop.lock"),
        SECURITY_AUDIT_REPORTS_URL=str(tmp_path / "reports"),
        PREFECT_WORKER_QUERY_SECONDS="0.5",
    ) as parts:
        yield parts


@pytest.fixture
async def prefect(prefect_server: PrefectServer) -> AsyncIterator[PrefectClient]:
    with temporary_settings({PREFECT_API_URL: prefect_server.api_url}):
        async with get_client() as client:
            yield client


@pytest.mark.long
async def test_a_planted_old_package_is_in_the_record_the_artifact_and_the_report(
    parts: Orchestra, prefect: PrefectClient, tmp_path: Path
) -> None:
    parts.worker.start()
    deployment = await prefect.read_deployment_by_name("security-audit/security-audit")
    run = await prefect.create_flow_run_from_deployment(deployment.id)

    async def has_ended() -> bool:
        state = (await prefect.read_flow_run(run.id)).state
        return bool(state and state.is_final())

    try:
        await eventually(has_ended, within_seconds=120, every_seconds=0.3)
    except AssertionError:
        raise AssertionError(parts.logs()) from None

    where = {"workflow": SECURITY_AUDIT.id}
    [execution] = (await parts.store.query(SYSTEM_TENANT, Query(ExecutionRecord, where))).items
    results = execution.record.results or {}
    assert "completed" == execution.record.status
    assert 1 == results["scan-vulnerabilities"]["vulnerabilitiesFound"]
    assert 1 == results["generate-report"]["summary"]["vulnerabilities"]
    stored = tmp_path / "reports" / results["generate-report"]["storedAs"]
    [found] = json.loads(stored.read_bytes())["vulnerabilities"]
    assert "jinja2 2.10 in shop.lock" == found["subject"]
    pages = await prefect.read_artifacts(
        artifact_filter=ArtifactFilter(flow_run_id=ArtifactFilterFlowRunId(any_=[run.id]))
    )
    assert any("upgrade to 2" in str(page.data) for page in pages)
