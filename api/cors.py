"""Which web pages may call the API from a browser: none, unless the operator names
their origins.
"""

from collections.abc import Sequence

from litestar.config.cors import CORSConfig

from api import idempotency
from api.access import tenancy
from api.access.identity import ROLES_HEADER, USER_HEADER
from api.documentation.headers import SENT
from api.http import etags

_SENT = (
    "Authorization",
    tenancy.HEADER,
    USER_HEADER,
    ROLES_HEADER,
    idempotency.HEADER,
    etags.HEADER,
    "If-None-Match",
    "Last-Event-ID",
)


def cors_config(origins: Sequence[str]) -> CORSConfig | None:
    """For these origins and no others; without cookies, as a page sends its credential itself."""
    if not origins:
        return None
    return CORSConfig(
        allow_origins=list(origins),
        allow_methods=["GET", "POST", "PUT", "PATCH", "DELETE"],
        allow_headers=[*_SENT, "X-Request-ID"],
        expose_headers=[header.name for header in SENT],
    )
