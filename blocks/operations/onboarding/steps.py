"""The steps of onboarding; each returns its figures and raises `NotConfigured`, `ServiceFailed`."""

from blocks.contracts import ids
from blocks.contracts.events import JsonObject
from blocks.contracts.operations.catalogue import USER_ONBOARDING
from blocks.notifications import Message
from blocks.operations import notifying
from blocks.operations.http import Request, ask, filled
from blocks.operations.onboarding.users import User, done_before, keep
from blocks.operations.work import NotConfigured
from blocks.ports import RecordStore
from blocks.settings import Notifications
from blocks.settings.operations import UserOnboarding

WELCOME_PRIORITY = 8


async def send_welcome(
    store: RecordStore, settings: UserOnboarding, notifications: Notifications, user: User
) -> JsonObject:
    """The user has a welcome mail. Raises `NotDelivered`, too."""
    step = "send-welcome"
    if not user.email:
        raise NotConfigured("No email provided")
    if known := await done_before(store, user, step):
        return known
    message = Message(
        recipient=user.email,
        subject=settings.welcome_subject,
        body=f"{_greeting(user)}\n\n{settings.welcome_text}",
        priority=WELCOME_PRIORITY,
    )
    await notifying.send(store, notifications, message, key=_key(user, step))
    return await _done(store, user, step, {"emailSent": True})


async def setup_defaults(store: RecordStore, settings: UserOnboarding, user: User) -> JsonObject:
    """The user has the platform's defaults."""
    step, url = "setup-defaults", settings.defaults_url
    if known := await done_before(store, user, step):
        return known
    await _request(settings, user, step, url, "USER_ONBOARDING_DEFAULTS_URL")
    return await _done(store, user, step, {"defaultsSet": True})


async def assign_role(store: RecordStore, settings: UserOnboarding, user: User) -> JsonObject:
    """The user has the role of new users."""
    step, url, role = "assign-role", settings.role_url, settings.role
    if known := await done_before(store, user, step):
        return known
    await _request(settings, user, step, url, "USER_ONBOARDING_ROLE_URL", role=role)
    return await _done(store, user, step, {"roleAssigned": role})


async def create_workspace(store: RecordStore, settings: UserOnboarding, user: User) -> JsonObject:
    """The user has a workspace; its id is among the figures, if the service states one."""
    step, url = "create-workspace", settings.workspace_url
    if known := await done_before(store, user, step):
        return known
    answer = await _request(settings, user, step, url, "USER_ONBOARDING_WORKSPACE_URL")
    id = answer.get("workspaceId") or answer.get("id")
    named = {"workspaceId": str(id)[:200]} if isinstance(id, str | int) else {}
    return await _done(store, user, step, {"workspaceCreated": True, **named})


async def _request(
    settings: UserOnboarding, user: User, step: str, url: str, setting: str, **more: str
) -> JsonObject:
    """What the service of this step answered."""
    if not url:
        raise NotConfigured(f"{setting} names no service")
    request = Request(
        service=f"the service of {step}",
        url=filled(url, user.facts),
        method="POST",
        content={**user.facts, **more},
        token=settings.token,
        headers={"idempotency-key": _key(user, step)},
    )
    return (await ask(request)).json_object


def _key(user: User, step: str) -> str:
    return ids.operation_call_id(USER_ONBOARDING.id, user.key, step)


async def _done(store: RecordStore, user: User, step: str, figures: JsonObject) -> JsonObject:
    await keep(store, user, step, figures)
    return figures


def _greeting(user: User) -> str:
    return f"Hello {user.name}," if user.name else "Hello,"
