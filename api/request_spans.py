"""Requests as spans, below those of their callers, where this process traces."""

from typing import Any

from litestar import Request
from litestar.plugins import PluginProtocol
from litestar.types import Scope
from opentelemetry import trace

from blocks import tracing

_UNSEEN = ["^/health", "^/ready", "^/metrics"]
"""Probes would outnumber everything else."""


def tracing_plugins() -> list[PluginProtocol]:
    """Litestar's own plugin, or nothing where nothing is traced: then not even its import costs anything."""
    if (provider := tracing.provider()) is None:
        return []
    from litestar.plugins.opentelemetry import OpenTelemetryConfig, OpenTelemetryPlugin

    config = OpenTelemetryConfig(
        tracer_provider=provider,
        exclude=_UNSEEN,
        exclude_spans=["receive", "send"],
        scope_span_details_extractor=_named_by_method,
    )
    return [OpenTelemetryPlugin(config)]


def _named_by_method(scope: Scope) -> tuple[str, dict[str, Any]]:
    """Until a route is found, and where none is."""
    return str(scope.get("method", "WS")), {}


async def name_span(request: Request[Any, Any, Any]) -> None:
    """The request's span bears the name of its route, which has no ids in it: spans of one route can be compared."""
    route = request.scope["path_template"]
    span = trace.get_current_span()
    span.update_name(f"{request.method} {route}")
    span.set_attribute("http.route", route)
