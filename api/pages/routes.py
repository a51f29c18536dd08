"""All pages, behind the protection that they share: the session's credential, and signed forms."""

from typing import Any

from litestar import Router
from litestar.config.csrf import CSRFConfig
from litestar.di import Provide
from litestar.middleware import DefineMiddleware
from litestar.middleware.csrf import CSRFMiddleware

from api.access.actor import provide_actor
from api.access.sessions import PAGE, SessionKeys, is_https
from api.access.tenancy import provide_tenant_id
from api.pages.assets import show_asset
from api.pages.claims.routes import (
    answer_prompt_by_hand,
    cancel_journey_by_hand,
    retry_journey_by_hand,
    show_journey,
    show_journeys,
)
from api.pages.dead_letters.routes import (
    discard_dead_letter_by_hand,
    edit_dead_letter_by_hand,
    replay_dead_letter_by_hand,
    replay_dead_letters_by_hand,
    show_dead_letter,
    show_dead_letters,
)
from api.pages.errors import answer_with_page
from api.pages.events.routes import show_events
from api.pages.inbox.routes import decide_in_inbox, show_inbox
from api.pages.login.routes import log_in, log_out, show_login
from api.pages.overview import show_overview
from api.pages.workflows.backfills import show_backfill, start_backfill
from api.pages.workflows.routes import (
    show_workflow,
    show_workflows,
    start_workflow,
    trigger_job_by_hand,
)
from blocks.settings import Settings

PAGES: tuple[Any, ...] = (
    show_overview,
    show_inbox,
    decide_in_inbox,
    show_journeys,
    show_journey,
    retry_journey_by_hand,
    cancel_journey_by_hand,
    answer_prompt_by_hand,
    show_workflows,
    show_workflow,
    start_workflow,
    trigger_job_by_hand,
    start_backfill,
    show_backfill,
    show_dead_letters,
    show_dead_letter,
    edit_dead_letter_by_hand,
    replay_dead_letter_by_hand,
    replay_dead_letters_by_hand,
    discard_dead_letter_by_hand,
    show_events,
)
"""Each needs a role, as `api.access.permissions` has it."""


def page_routes(settings: Settings, keys: SessionKeys) -> list[Router]:
    """The pages, the login and the files that they load."""
    forms = CSRFConfig(
        secret=keys.for_forms,
        cookie_name="orchestrator_form",
        cookie_secure=is_https(settings),
        cookie_httponly=True,
        cookie_samesite="lax",
    )
    return [
        Router(
            "/",
            route_handlers=[*PAGES, show_login, log_in, log_out],
            dependencies={"tenant_id": Provide(provide_tenant_id), "actor": Provide(provide_actor)},
            middleware=[DefineMiddleware(CSRFMiddleware, config=forms)],
            exception_handlers={Exception: answer_with_page},
            include_in_schema=False,
            opt=PAGE,
        ),
        Router("/", route_handlers=[show_asset], include_in_schema=False),
    ]
