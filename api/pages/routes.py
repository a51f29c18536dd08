"""All pages, behind the protection that they share: the session's credential, and signed forms."""

from typing import Any

from litestar import Router
from litestar.config.csrf import CSRFConfig
from litestar.di import Provide
from litestar.middleware import DefineMiddleware

from api.access.actor import provide_actor
from api.access.sessions import PAGE, SessionKeys, is_https
from api.access.tenancy import provide_tenant_id
from api.pages.approvals.routes import (
    answer_about_approval,
    ask_about_approval,
    decide_approval,
    show_approval,
)
from api.pages.assets import show_asset
from api.pages.claims.routes import (
    answer_prompt_on_page,
    cancel_journey_on_page,
    retry_journey_on_page,
    show_journey,
    show_journeys,
)
from api.pages.dead_letters.routes import (
    discard_dead_letter_on_page,
    edit_dead_letter_on_page,
    replay_dead_letter_on_page,
    replay_dead_letters_on_page,
    show_dead_letter,
    show_dead_letters,
)
from api.pages.errors import answer_with_page
from api.pages.events.routes import show_events
from api.pages.executions.acts import cancel_on_page, rerun_on_page, retry_on_page
from api.pages.executions.routes import show_execution, show_executions
from api.pages.forms import SignedForms
from api.pages.inbox.routes import decide_in_inbox, show_inbox
from api.pages.login.link import log_in_by_link, show_login_link
from api.pages.login.routes import log_in, log_out, show_login
from api.pages.overview.routes import show_overview
from api.pages.settings.audit import show_audit
from api.pages.settings.definitions import (
    set_definition_on_page,
    show_definition,
    show_definitions,
)
from api.pages.settings.routes import (
    add_webhook_on_page,
    create_key_on_page,
    remove_webhook_on_page,
    revoke_key_on_page,
    show_settings,
    try_webhook_on_page,
)
from api.pages.stand_ins.routes import (
    end_stand_in_on_page,
    name_stand_in_on_page,
    show_stand_ins,
)
from api.pages.workflows.backfills import show_backfill, start_backfill
from api.pages.workflows.routes import (
    show_workflow,
    show_workflows,
    start_workflow,
    trigger_job_on_page,
)
from blocks.settings import Settings

PAGES: tuple[Any, ...] = (
    show_overview,
    show_inbox,
    decide_in_inbox,
    show_executions,
    show_execution,
    retry_on_page,
    cancel_on_page,
    rerun_on_page,
    show_journeys,
    show_journey,
    retry_journey_on_page,
    cancel_journey_on_page,
    answer_prompt_on_page,
    show_workflows,
    show_workflow,
    start_workflow,
    trigger_job_on_page,
    start_backfill,
    show_backfill,
    show_dead_letters,
    show_dead_letter,
    edit_dead_letter_on_page,
    replay_dead_letter_on_page,
    replay_dead_letters_on_page,
    discard_dead_letter_on_page,
    show_events,
    show_approval,
    decide_approval,
    ask_about_approval,
    answer_about_approval,
    show_stand_ins,
    name_stand_in_on_page,
    end_stand_in_on_page,
    show_settings,
    create_key_on_page,
    revoke_key_on_page,
    add_webhook_on_page,
    try_webhook_on_page,
    remove_webhook_on_page,
    show_audit,
    show_definitions,
    show_definition,
    set_definition_on_page,
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
            route_handlers=[
                *PAGES,
                show_login,
                log_in,
                log_out,
                show_login_link,
                log_in_by_link,
            ],
            dependencies={"tenant_id": Provide(provide_tenant_id), "actor": Provide(provide_actor)},
            middleware=[DefineMiddleware(SignedForms, config=forms)],
            exception_handlers={Exception: answer_with_page},
            include_in_schema=False,
            opt=PAGE,
        ),
        Router("/", route_handlers=[show_asset], include_in_schema=False),
    ]
