"""The platform's other services answer their `/health`."""

from blocks.processes.neighbour_health import look
from deployments.doctor.connections import Connections
from deployments.doctor.finding import Finding, ok, warning

PART = "services"


async def neighbours(connections: Connections) -> list[Finding]:
    """Those whose URL is set; one that does not answer is a warning, for work goes on over the
    bus.
    """
    urls = connections.settings.services.urls()
    if not urls:
        return [ok(PART, "no URL is set (services.*.url), so none was asked")]
    found = await look(urls)
    well = [name for name, problem in found.items() if problem is None]
    return [
        *([ok(PART, f"healthy: {', '.join(well)}")] if well else []),
        *(
            warning(
                PART,
                f"{name} at {urls[name]}: {problem}",
                f"look at that service, or correct services.{name}.url ({name.upper()}_URL)",
            )
            for name, problem in found.items()
            if problem
        ),
    ]
