"""An example of a dispatch policy."""

from api.dispatch.documents import Dispatch, DispatchLimits
from api.documentation.requests import add_requests
from api.http.example_data import TENANT
from blocks.contracts.records import TenantShare

DISPATCH = Dispatch(
    default=TenantShare(),
    tenants={TENANT: TenantShare(weight=3, priority=1, running_max=200)},
    running_max=2000,
    batch_max=200,
)
add_requests(DispatchLimits(running_max=2000, batch_max=200), TenantShare(weight=3, priority=1))
