"""Every command in the runbooks is run here, as it is written, against the real processes."""

import asyncio
import os
import subprocess
import sys
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest

from blocks.contracts import ids
from blocks.dead_letters import letters
from blocks.operations.backups import backup_name, newest_verified, store
from blocks.security import api_keys
from tests.support.api.journeys import a_phase
from tests.support.claims.records import A_USER, a_journey
from tests.support.factories import (
    A_TENANT,
    a_dead_letter,
    an_approval,
    an_execution,
    new_id,
    now,
)
from tests.support.operations.shop import Shop, a_shop
from tests.support.servers.postgres import Postgres
from tests.support.servers.prefect_server import PrefectServer
from tests.support.servers.rabbitmq import RabbitMQNode
from tests.support.system.orchestra import Orchestra, on_rabbitmq, whole_orchestra
from tests.support.waiting import eventually

pytestmark = pytest.mark.long

RUNBOOKS = sorted((Path(__file__).parents[3] / "docs" / "runbooks").glob("*.md"))
COMMANDS = ("orchestrator", "prefect", "rabbitmqctl", "curl", "echo")


@pytest.fixture
async def parts(
    tmp_path: Path, prefect_server: PrefectServer, rabbitmq: RabbitMQNode
) -> AsyncIterator[Orchestra]:
    async with whole_orchestra(
        tmp_path, prefect_server, **on_rabbitmq(rabbitmq, tmp_path.name)
    ) as parts:
        parts.api.start()
        yield parts


@pytest.fixture
async def shop(postgres: Postgres, tmp_path: Path) -> Shop:
    return await a_shop(postgres, "shop_of_runbooks", str(tmp_path / "backed-up"))


async def test_every_command_of_the_runbooks_works(
    parts: Orchestra, rabbitmq: RabbitMQNode, shop: Shop
) -> None:
    await eventually(lambda: log_says(parts, "The API listens"), within_seconds=60)
    commands_of_one = {runbook.stem: commands(runbook) for runbook in RUNBOOKS}
    assert {
        "alert-storm",
        "backfill-failure",
        "backup-failed",
        "model-monitoring",
        "hitl-approval-flow",
        "stuck-claim",
        "dead-letters",
        "work-stands-still",
    } == set(commands_of_one)
    for name, lines in commands_of_one.items():
        variables = await placeholders(parts, for_tenant=name == "hitl-approval-flow")
        variables |= await backed_up(shop)
        for line in lines:
            if line.startswith("rabbitmqctl"):
                assert "messages" in line
                await asyncio.to_thread(rabbitmq.ctl, *line.split()[1:])
                continue
            done = await asyncio.to_thread(run, line, {**parts.environment, **variables})
            assert done.returncode == 0, f"{name}: {line}\n{done.stdout}{done.stderr}"
            assert '"error":{' not in done.stdout, f"{name}: {line}\n{done.stdout}"


def commands(runbook: Path) -> list[str]:
    indented = [
        line.strip() for line in runbook.read_text().splitlines() if line.startswith("    ")
    ]
    return [line for line in indented if line.startswith(COMMANDS)]


async def placeholders(parts: Orchestra, *, for_tenant: bool) -> dict[str, str]:
    """What the runbooks' variables stand for: records that are really there."""
    tenant = A_TENANT if for_tenant else ids.SYSTEM_TENANT
    execution = an_execution(tenant_id=tenant, status="awaiting_approval")
    approval = an_approval(tenant_id=tenant, execution_id=execution.id)
    await parts.store.create(tenant, execution)
    await parts.store.create(tenant, approval)
    key, _ = await api_keys.create_key(
        parts.store, A_TENANT, new_id(), ["operator"], lives=timedelta(hours=1)
    )
    journey = a_journey(status="failed", completed_at=now(), announced_at=now())
    sync_id = str(journey.input["syncId"])
    phase = a_phase(
        user_id=A_USER,
        sync_id=sync_id,
        execution_id=journey.id,
        status="failed",
        announced_at=now(),
    )
    await parts.store.create(A_TENANT, journey)
    await parts.store.create(A_TENANT, phase)
    letter = await letters.keep(parts.store, parts.settings.rabbitmq.queue, a_dead_letter())
    return {
        "LETTER": letter.record.id,
        "KEY": key,
        "SYSTEM": ids.SYSTEM_TENANT,
        "TENANT": A_TENANT,
        "USER": "ann",
        "EXECUTION": execution.id,
        "APPROVAL": approval.id,
        "JOURNEY": journey.id,
        "SYNC": sync_id,
        "OPPORTUNITY": execution.subject,
        "API": f"http://127.0.0.1:{parts.settings.server.port}",
    }


async def backed_up(shop: Shop) -> dict[str, str]:
    """A database with a verified backup."""
    place, name = shop.place(), backup_name(shop.name, now())
    if (verified := await newest_verified(place.files, shop.name)) is None:
        await store(place, shop.database, name)
    archives = str(Path(shop.environment["ORCHESTRATOR_DATA_DIR"]) / "backups")
    known = verified.name if verified else name
    return {"DATABASE_URL": shop.url, "BACKUP_URL": archives, "BACKUP": known}


def run(line: str, environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    """In bash, with our console scripts before all others."""
    scripts = Path(sys.executable).parent
    return subprocess.run(
        [
            "bash",
            "-o",
            "pipefail",
            "-c",
            f'orchestrator() {{ "{sys.executable}" -m deployments.cli "$@"; }}\n{line}',
        ],
        env={**os.environ, **environment, "PATH": f"{scripts}{os.pathsep}{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


async def log_says(parts: Orchestra, text: str) -> bool:
    return text in parts.api.log
