"""`/metrics` on the tenants' port: only where a setting opens it; the process's own port always
answers it.

The service that this one replaces answers it there, at a path of the operator's choice.
"""

import hmac
from typing import Any

from litestar import Request, get
from litestar.datastructures import Headers
from litestar.di import NamedDependency
from litestar.handlers import HTTPRouteHandler
from litestar.params import SkipValidation

from api.access.authentication import PUBLIC, address_of, bearer
from api.access.errors import CredentialInvalid
from api.access.limits.failures import Failures
from api.http.deprecation import SHARED
from blocks.observability.metrics.exposition import Exposition
from blocks.settings.sections import Metrics

ExpositionOfApp = SkipValidation[NamedDependency[Exposition]]

MetricsToken = NamedDependency[str]
"""The setting `metrics.bearer_token`."""


def metrics_routes(settings: Metrics) -> list[HTTPRouteHandler]:
    """The route at `metrics.path`, if `metrics.on_api_port` opens it; else none."""
    if not settings.on_api_port:
        return []
    route = get(
        settings.path,
        summary="Read the metrics",
        tags=["Service"],
        media_type="text/plain; version=0.0.4",
        opt=PUBLIC | SHARED,
        security=[{}],
    )
    return [route(read_metrics)]


async def read_metrics(
    request: Request[Any, Any, Any],
    exposition: ExpositionOfApp,
    metrics_token: MetricsToken,
    failures: SkipValidation[NamedDependency[Failures]],
) -> str:
    """Every metric of this process, and of the batch jobs whoever triggered them; at most a second
    old.

    With `METRICS_BEARER_TOKEN` set, only for who sends it as `Authorization: Bearer …`; otherwise
    401.
    """
    if metrics_token:
        try:
            _check(request.headers, metrics_token)
        except Exception as error:
            raise failures.counted(address_of(request), error) from None
    return (await exposition.text()).decode()


def _check(headers: Headers, token: str) -> None:
    if not hmac.compare_digest(bearer(headers).encode(), token.encode()):
        raise CredentialInvalid("this is not the token of /metrics")
