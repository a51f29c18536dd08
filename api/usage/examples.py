"""An example of a tenant's usage."""

from api.http.example_data import BEGIN
from api.usage.documents import AcceptedExecutions, OpenWork, TenantLimits, Usage
from blocks.contracts import analysis, jobs

USAGE = Usage(
    at=BEGIN,
    accepted={
        analysis.WORKFLOW: AcceptedExecutions(today=214, this_month=4711),
        jobs.WORKFLOW: AcceptedExecutions(today=0, this_month=3),
    },
    now=OpenWork(
        pending=12, running=40, awaiting_approval=3, waiting=12, pending_approvals=3, dead_letters=0
    ),
    limits=TenantLimits(requests_per_minute=6000, running_max=200, weight=3, priority=1),
)
