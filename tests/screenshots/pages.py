"""Every page there is, and a store that holds what they show."""

from datetime import timedelta
from pathlib import Path

from blocks.contracts.ids import SYSTEM_TENANT
from blocks.dead_letters import letters
from blocks.ports import RecordStore
from blocks.security import login_links
from blocks.security.signed_links import LinkClaims, issue, new_nonce, secret_of
from blocks.services import open_bus
from blocks.settings import load_settings
from blocks.topology import intake_queue, topology
from tests.screenshots.backfill import a_backfill
from tests.screenshots.company import ANALYSIS, Company
from tests.screenshots.seller import SYNC, journeys
from tests.support.claims.records import A_USER
from tests.support.factories import A_TENANT, now

EMPTY_TENANT = "33333333-3333-4333-8333-333333333333"
LINK_SECRET = "x" * 32
"""As `served_api` has it."""


async def fill(store: RecordStore, folder: Path) -> dict[str, dict[str, str]]:
    """Paths by the name of their picture, by the tenant of who is signed in; empty: no one is."""
    company = Company()
    settings = load_settings({"ORCHESTRATOR_DATA_DIR": str(folder)})
    async with open_bus(settings, "screenshots") as bus:
        await bus.declare(*topology(settings))
    for record in [*company.records, *journeys()]:
        await store.create(record.tenant_id, record)
    kept = [
        await letters.keep(store, intake_queue(settings).name, letter)
        for letter in reversed(company.letters)
    ]
    login, _ = await login_links.create_link(store, A_TENANT, ["approver"])
    link = LinkClaims(
        approval_id=company.staged,
        tenant_id=A_TENANT,
        recipient="fatima.haddad",
        outcomes=("approved", "rejected"),
        expires_at=now() + timedelta(days=2),
        nonce=new_nonce(),
    )
    valid = issue(secret_of(LINK_SECRET), link)
    return {
        "": {
            "login": "/login",
            "login-link": f"/login/{login}",
            "link": f"/hitl/links/{valid}/page",
        },
        A_TENANT: {
            "overview": "/",
            "inbox": "/inbox",
            "stand-ins": "/stand-ins",
            "approval": f"/approvals/{company.staged}",
            "executions": "/executions",
            "execution": f"/executions/{company.completed}",
            "execution-running": f"/executions/{company.running}",
            "execution-failed": f"/executions/{company.failed}",
            "claims": "/claims",
            "claim": f"/claims/{SYNC}?userId={A_USER}",
            "workflows": "/workflows",
            "workflow": f"/workflows/{ANALYSIS}",
            "dead-letters": "/dead-letters",
            "dead-letter": f"/dead-letters/{kept[-1].record.id}",
            "settings": "/settings",
            "rules": "/settings/definitions",
            "rule": f"/settings/definitions/{ANALYSIS}",
            "rule-json": f"/settings/definitions/{ANALYSIS}?raw=true",
            "audit": "/audit",
            "error": "/executions/11111111-1111-4111-8111-000000000000",
        },
        SYSTEM_TENANT: {
            "platform": "/",
            "platform-workflows": "/workflows",
            "job": "/workflows/outcome-sync",
            "backfill": await a_backfill(store),
            "events": "/events",
        },
        EMPTY_TENANT: {
            "first-run": "/",
            "inbox-empty": "/inbox",
            "executions-empty": "/executions",
            "settings-empty": "/settings",
        },
    }
