"""Requests as spans, below those of their callers, where this process traces; elsewhere they cost
nothing.
"""

import re
from typing import Any

from litestar import Request
from litestar.config.app import AppConfig
from litestar.plugins import InitPlugin, PluginProtocol
from litestar.types import Scope
from opentelemetry import trace

from blocks.executions import tracing

_UNSEEN = ["^/health", "^/ready", "^/metrics"]
"""Probes would outnumber everything else."""


_TOKEN = re.compile(r"(/(?:(?:hitl|evidence)/links|login)/)[^/]+")

_ADDRESSES = ("http.url", "http.target", "url.full", "url.path")
"""Where the instrumentation puts the path, in the older and in the newer words of OpenTelemetry."""


def tracing_plugins() -> list[PluginProtocol]:
    """Litestar's own plugin and the one below, or nothing where nothing is traced: not even the
    import.
    """
    if (provider := tracing.provider()) is None:
        return []
    from litestar.plugins.opentelemetry import OpenTelemetryConfig, OpenTelemetryPlugin

    config = OpenTelemetryConfig(
        tracer_provider=provider,
        exclude=_UNSEEN,
        exclude_spans=["receive", "send"],
        scope_span_details_extractor=_named_by_method,
    )
    return [OpenTelemetryPlugin(config), _NamedByRoute()]


class _NamedByRoute(InitPlugin):
    """Litestar's plugin begins a span before a route is found; this one names it
    once there is one.
    """

    def on_app_init(self, app_config: AppConfig) -> AppConfig:
        app_config.before_request = _name_span
        return app_config


def _named_by_method(scope: Scope) -> tuple[str, dict[str, Any]]:
    """Until a route is found, and where none is. A link's token is a credential: no
    span shows it.
    """
    path = str(scope["path"])
    shown = _TOKEN.sub(r"\1{token}", path)
    return str(scope.get("method", "WS")), {} if shown == path else dict.fromkeys(_ADDRESSES, shown)


async def _name_span(request: Request[Any, Any, Any]) -> None:
    """The request's span bears the name of its route, which has no ids in it: spans of one route
    can be compared.
    """
    route = request.scope["path_template"]
    span = trace.get_current_span()
    span.update_name(f"{request.method} {route}")
    span.set_attribute("http.route", route)
