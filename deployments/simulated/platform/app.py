"""The routes of the simulated services of the platform."""

from hashlib import sha256
from typing import Any

import msgspec
from litestar import Litestar, Request, Response, get, post
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath

from blocks.clock import utc_now
from blocks.contracts.events import JsonObject
from deployments.simulated.platform import content

AnyRequest = Request[Any, Any, Any]


class Platform:
    """What the services have taken. Lives as long as its process."""

    def __init__(self) -> None:
        self.messages: dict[str, JsonObject] = {}
        """Those of the communications hub, by Idempotency-Key."""
        self.noted: dict[str, JsonObject] = {}
        """What users and leads were given, by path."""


def create_app(platform: Platform) -> Litestar:
    return Litestar(
        [_cms, _page, _health, *_sales(platform), *_people(platform), _hub(platform)],
        openapi_config=None,
        logging_config=None,
    )


def settings_at(url: str) -> dict[str, str]:
    """The environment with which this system works with the services at this URL."""
    pages = {name: f"{url}/pages/{name}" for name in content.PAGES}
    health = [f"{name}={url}/health/{name}" for name in (*content.HEALTHY, content.ILL)]
    return {
        "CMS_URL": url,
        "COMMS_HUB_URL": url,
        "ALERT_EMAIL": "operators@platform.example",
        "HEALTH_MONITORING_ENDPOINTS": ",".join(health),
        "CACHE_WARMUP_API_URLS": f"{pages['orders']},{pages['prices']}",
        "CACHE_WARMUP_CMS_URLS": pages["home"],
        "CACHE_WARMUP_SESSION_URLS": pages["sessions"],
        "NOTIFICATION_DIGEST_SOURCE_URL": f"{url}/notifications",
        "NOTIFICATION_DIGEST_DIRECTORY_URL": f"{url}/users/{{userId}}",
        "SALES_AI_WORKFLOW_URL": f"{url}/ai",
        "SALES_LEADS_URL": f"{url}/crm/leads",
        "SALES_OPPORTUNITIES_URL": f"{url}/crm/opportunities",
        "SALES_QUALIFICATION_URL": f"{url}/crm/leads/{{leadId}}/qualification",
        "USER_ONBOARDING_DEFAULTS_URL": f"{url}/users/{{userId}}/defaults",
        "USER_ONBOARDING_ROLE_URL": f"{url}/users/{{userId}}/role",
        "USER_ONBOARDING_WORKSPACE_URL": f"{url}/users/{{userId}}/workspace",
    }


@get("/api/{endpoint:str}", sync_to_thread=False)
def _cms(request: AnyRequest, endpoint: FromPath[str]) -> Response[bytes]:
    if endpoint not in content.CMS:
        return _json(404, {"error": f"no content {endpoint}"})
    body = msgspec.json.encode(content.CMS[endpoint])
    etag = f'"{sha256(body).hexdigest()[:16]}"'
    if request.headers.get("if-none-match") == etag:
        return Response(b"", status_code=304, headers={"ETag": etag})
    return Response(body, media_type="application/json", headers={"ETag": etag})


@get("/pages/{name:str}", sync_to_thread=False)
def _page(name: FromPath[str]) -> Response[str]:
    return Response(f"<html><h1>{name}</h1></html>" * 50, media_type="text/html")


@get("/health/{name:str}", sync_to_thread=False)
def _health(name: FromPath[str]) -> Response[bytes]:
    is_well = name in content.HEALTHY
    return _json(200 if is_well else 503, {"status": "ok" if is_well else "out of memory"})


def _sales(platform: Platform) -> list[HTTPRouteHandler]:
    @post("/ai", status_code=200)
    async def analyse(request: AnyRequest) -> Response[bytes]:
        body: JsonObject = await request.json()
        return _json(200, content.analysis(str(body.get("step")), body.get("input") or {}))

    @get("/crm/leads", sync_to_thread=False)
    def list_leads() -> Response[bytes]:
        return _json(200, {"data": content.leads(utc_now().date())})

    @get("/crm/opportunities", sync_to_thread=False)
    def list_opportunities() -> Response[bytes]:
        return _json(200, {"data": content.opportunities(utc_now().date())})

    @post("/crm/leads/{lead:str}/qualification", status_code=200)
    async def note_qualification(request: AnyRequest, lead: FromPath[str]) -> Response[bytes]:
        platform.noted[request.url.path] = await request.json()
        return _json(200, {"success": True})

    return [analyse, list_leads, list_opportunities, note_qualification]


def _people(platform: Platform) -> list[HTTPRouteHandler]:
    @get("/users/{user:str}", sync_to_thread=False)
    def read_user(user: FromPath[str]) -> Response[bytes]:
        return _json(200, {"id": user, "email": f"{user}@shop.example"})

    @get("/notifications", sync_to_thread=False)
    def list_notifications() -> Response[bytes]:
        return _json(200, {"data": content.notifications()})

    @post("/users/{user:str}/{what:str}", status_code=200)
    async def give(
        request: AnyRequest, user: FromPath[str], what: FromPath[str]
    ) -> Response[bytes]:
        platform.noted[request.url.path] = await request.json()
        return _json(200, {"success": True, "id": f"{what}-of-{user}"})

    return [read_user, list_notifications, give]


def _hub(platform: Platform) -> HTTPRouteHandler:
    @post("/api/messages/send", status_code=201)
    async def send(request: AnyRequest) -> Response[bytes]:
        message: JsonObject = await request.json()
        if not message.get("recipient") or not message.get("body"):
            return _json(400, {"success": False, "error": "recipient and body are required"})
        key = request.headers.get("idempotency-key") or f"message-{len(platform.messages)}"
        platform.messages.setdefault(key, message)
        answer = {"messageId": f"msg_{sha256(key.encode()).hexdigest()[:12]}", "status": "queued"}
        return _json(201, {"success": True, "queuedAt": utc_now(), **answer})

    return send


def _json(status: int, value: Any) -> Response[bytes]:
    return Response(msgspec.json.encode(value), status_code=status, media_type="application/json")
