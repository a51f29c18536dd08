"""The flow `security-audit`."""

from typing import Any

from prefect import flow
from prefect.client.schemas.objects import State

from blocks.contracts.events import JsonObject
from blocks.contracts.ids import SYSTEM_TENANT
from blocks.contracts.operations.catalogue import SECURITY_AUDIT
from blocks.operations import security
from flows.shared import artifacts, runtime
from flows.shared.operations import FLOW, Given, recorded_execution
from flows.shared.operations.security_page import page_of


@flow(name=SECURITY_AUDIT.id, **FLOW)
async def security_audit(
    tenant_id: str = SYSTEM_TENANT,
    execution_ids: list[str] = [],  # noqa: B006 - the form's default, which is only read
    input: dict[str, Any] = {},  # noqa: B006
) -> State[None]:
    """Look for known vulnerabilities, open permissions and refused requests, and report them.

    Args:
        tenant_id: Always the platform's own: operations belong to no tenant.
        execution_ids: For dispatchers, which name the recorded execution. Leave it empty to start
            one.
        input: What the steps are given besides the settings; the audit reads nothing of it.
    """
    async with recorded_execution(SECURITY_AUDIT, tenant_id, execution_ids, input) as run:
        await run.step("scan-vulnerabilities", scan_vulnerabilities)
        await run.step("check-permissions", check_permissions)
        await run.step("review-logs", review_logs)
        await run.step("generate-report", generate_report)
    return run.state


async def scan_vulnerabilities(given: Given) -> JsonObject:
    """Each package of the locks is compared with the advisories."""
    return await security.scan(given.settings.operations.security_audit)


async def check_permissions(given: Given) -> JsonObject:
    """Files, database roles, API keys, certificates and secrets are looked at."""
    context = await runtime.get()
    return await security.check_permissions(given.settings, context.store)


async def review_logs(given: Given) -> JsonObject:
    """The refused requests of the last day are counted by who sent them."""
    context = await runtime.get()
    return await security.review(given.settings.operations.security_audit, context.store)


async def generate_report(given: Given) -> JsonObject:
    """What was found is stored as JSON, and shown on the page of the run."""
    report = security.report_of(given.input, given.settings)
    result = await security.store_report(report, given.settings)
    await artifacts.show([artifacts.markdown(page_of(report))])
    return result
