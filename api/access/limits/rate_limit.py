"""The limit of requests a minute per tenant, in this process; beyond it 429 with `Retry-After`.

Litestar's rate limit supplies the exemptions, the refusal and the headers; only the storage is
ours. Litestar keeps the time of every request, rewrites the whole list as JSON at each, and its
in-memory store never evicts; this keeps one number per tenant.
"""

from collections.abc import Sequence
from time import time
from typing import Any, cast

from litestar import Request
from litestar.enums import HttpMethod
from litestar.middleware import DefineMiddleware
from litestar.middleware.rate_limit import CacheObject, RateLimitConfig, RateLimitMiddleware
from litestar.stores.base import Store
from litestar.types import ASGIApp

from api.access.authentication import PUBLIC
from api.access.limits.windows import Windows


def rate_limit(requests_per_minute: int) -> Sequence[DefineMiddleware]:
    """The middleware that enforces this limit, to come after authentication; none for 0."""
    if requests_per_minute == 0:
        return ()
    config = RateLimitConfig(
        rate_limit=("minute", requests_per_minute),
        identifier_for_request=lambda request: cast("str", request.user.tenant_id),
        check_throttle_handler=_has_a_tenant,
        exclude_opt_key=next(iter(PUBLIC)),
    )
    # Litestar makes a middleware for every route; they count together.
    return (DefineMiddleware(RateLimit, config=config, windows=Windows()),)


class RateLimit(RateLimitMiddleware):
    """Counts each tenant's requests in windows of a minute, the first of which begins with its
    first request.
    """

    def __init__(self, app: ASGIApp, config: RateLimitConfig, windows: Windows) -> None:
        super().__init__(app, config)
        self._windows = windows

    async def retrieve_cached_history(self, key: str, store: Store) -> CacheObject:
        return self._counted(self._windows.counted(key), key)

    async def set_cached_history(self, key: str, cache_object: CacheObject, store: Store) -> None:
        cache_object.history = self._counted(self._windows.count(key), key).history

    def _counted(self, count: int, key: str) -> CacheObject:
        # Only its length is asked for.
        history = cast("list[int]", range(count))
        return CacheObject(history, reset=int(time()) + self._windows.seconds_left(key))


async def _has_a_tenant(request: Request[Any, Any, Any]) -> bool:
    return request.method != HttpMethod.OPTIONS
