"""The names that generated clients get: operation ids, and the tags with which they are grouped."""

from litestar.handlers import HTTPRouteHandler
from litestar.openapi.spec import Tag
from litestar.types import Method
from litestar.types.internal_types import PathParameterDefinition

_SUFFIX = "operation_id_suffix"

TAGS = (
    Tag(
        "Executions",
        "The work that is done for a tenant: start it, follow it, cancel, retry and repeat it.",
    ),
    Tag(
        "Approvals", "Decisions that people owe an execution or another system, and who took them."
    ),
    Tag("Stand-ins", "Who decides in the place of a person who is absent."),
    Tag("Jobs", "Scheduled batch jobs: when they run, and running one now."),
    Tag("Claim recovery", "Journeys of claim recovery: where each stands, its log, its repair."),
    Tag("Definitions", "What the tenant has set for a workflow: steps, deadlines, approval rule."),
    Tag("Webhooks", "Subscriptions that deliver events to a URL of the tenant, signed."),
    Tag("Keys", "API keys of the tenant."),
    Tag("Usage", "How much the tenant has used, and how much it may."),
    Tag("Audit", "Who did what, through which door, and what changed."),
    Tag("Dead letters", "Messages that were refused: look at them, correct and replay them."),
    Tag("Dispatch", "For the platform: limits, and each tenant's share of the system."),
    Tag("Service", "Whether this process and its surroundings work, and what it measures."),
    Tag("Workflows", "Analyses in the form of the older service."),
    Tag("Evidence", "Prompts about a claim's evidence, and the proof packets of paid claims."),
    Tag("Operations", "For the platform: maintenance workflows, their runs, events and alerts."),
)
"""In the order in which the pages show them."""


def operation_id(
    handler: HTTPRouteHandler, method: Method, path: list[str | PathParameterDefinition]
) -> str:
    """`cancelExecution` for the handler `cancel_execution`, with what its router adds."""
    first, *others = handler.handler_name.split("_")
    suffix: str = handler.opt.get(_SUFFIX, "")
    return first + "".join(word.title() for word in others) + suffix


def suffixed(suffix: str) -> dict[str, str]:
    """Option of a router whose handlers stand below another prefix, too."""
    return {_SUFFIX: suffix}
