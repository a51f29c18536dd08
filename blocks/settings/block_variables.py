"""Settings from Prefect's blocks: a block's value replaces a variable that is not set.

Asked over Prefect's HTTP API and not through its client: settings are read before logging is set
up, and importing Prefect before that would set up its own.
"""

from collections.abc import Mapping

import msgspec

from blocks.ports import Unavailable

VARIABLE = "ORCHESTRATOR_BLOCKS"
"""Names the block documents to read, one of each type; not set: none is read."""

VARIABLES: Mapping[str, Mapping[str, str]] = {
    "message-broker": {
        "url": "RABBITMQ_URL",
        "exchange": "RABBITMQ_EXCHANGE",
        "queue": "RABBITMQ_QUEUE",
    },
    "record-database": {
        "endpoint": "COSMOS_DB_ENDPOINT",
        "key": "COSMOS_DB_KEY",
        "database_id": "COSMOS_DB_DATABASE_ID",
    },
    "notifications": {
        "comms_hub_url": "COMMS_HUB_URL",
        "smtp_url": "SMTP_URL",
        "sender": "NOTIFICATIONS_SENDER",
        "recipient": "ALERT_EMAIL",
    },
    "platform-services": {
        "jwt_secret": "JWT_SECRET",
        "jwt_jwks": "JWT_JWKS",
        "webhook_allowed_hosts": "WEBHOOK_ALLOWED_HOSTS",
        "otlp_endpoint": "OTEL_EXPORTER_OTLP_ENDPOINT",
        "broker_management_url": "RABBITMQ_MANAGEMENT_URL",
    },
}
"""Of each block type (its slug), the variable that each field stands for."""

_ANSWER_SECONDS = 10.0


class BlockMissing(Exception):
    """Prefect has no such block; the message has the remedy."""


class _Document(msgspec.Struct, frozen=True):
    data: dict[str, object]


def variables_of_blocks(
    environment: Mapping[str, str], *, may_be_missing: bool = False
) -> dict[str, str]:
    """The values of the blocks that `ORCHESTRATOR_BLOCKS` names, by variable.

    Raises `BlockMissing` unless blocks may be missing, and `Unavailable` when Prefect does not
    answer.
    """
    name = environment.get(VARIABLE)
    if not name:
        return {}
    found: dict[str, str] = {}
    for slug, variables in VARIABLES.items():
        data = _read(environment, slug, name)
        if data is None and not may_be_missing:
            raise BlockMissing(
                f"Prefect has no block {slug}/{name} ({VARIABLE}): run `orchestrator bootstrap`"
            )
        found |= {
            variables[field]: str(value)
            for field, value in (data or {}).items()
            if field in variables and value
        }
    return found


def _read(environment: Mapping[str, str], slug: str, name: str) -> dict[str, object] | None:
    import httpx

    url, auth = (
        environment.get("PREFECT_API_URL", "").rstrip("/"),
        environment.get("PREFECT_API_AUTH_STRING"),
    )
    if not url:
        raise BlockMissing(
            f"{VARIABLE} is set: set PREFECT_API_URL, too, to say where Prefect keeps the blocks"
        )
    user, _, password = (auth or "").partition(":")
    try:
        answer = httpx.get(
            f"{url}/block_types/slug/{slug}/block_documents/name/{name}",
            params={"include_secrets": "true"},
            auth=(user, password) if auth else None,
            timeout=_ANSWER_SECONDS,
        )
        if answer.status_code == httpx.codes.NOT_FOUND:
            return None
        answer.raise_for_status()
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise Unavailable(
            f"block {slug}/{name} cannot be read from Prefect: {type(error).__name__}"
        ) from None
    return msgspec.json.decode(answer.content, type=_Document).data
