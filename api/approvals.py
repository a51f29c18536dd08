"""`/api/v1/hitl/approvals`: decisions that people owe."""

from typing import Annotated

from litestar import get
from litestar.params import PathParameter

from api import examples
from api.approval_documents import Approval, approval_of
from api.errors import ApprovalNotFound
from api.openapi import documented
from api.records import Store, find
from api.tenancy import TenantId
from blocks.contracts.records import ApprovalRecord


@get(
    "/hitl/approvals/{approvalId:str}",
    summary="Read one approval",
    tags=["Approvals"],
    responses=documented(examples.APPROVAL, ApprovalNotFound),
)
async def read_approval(
    store: Store, tenant_id: TenantId, approval_id: Annotated[str, PathParameter(name="approvalId")]
) -> Approval:
    """The approval: what was asked, of whom, and what was decided."""
    return approval_of(await find(store, tenant_id, ApprovalRecord, approval_id, ApprovalNotFound))
