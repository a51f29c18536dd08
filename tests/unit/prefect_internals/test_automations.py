"""Which ends of a run the automations of bootstrap notify of, and in which words."""

from uuid import uuid4

import pytest
from prefect.automations import SendNotification
from prefect.client.schemas.objects import FlowRun, WorkPool
from prefect.server.events.jinja_filters import all_filters
from prefect.server.utilities.user_templates import (
    register_user_template_filters,
    render_user_template,
)
from prefect.settings import PREFECT_UI_URL, temporary_settings
from prefect.states import Failed

from blocks.ports.flow_runs import REFUSED
from deployments.bootstrap.automations import WATCHES, Watch, automation


def test_every_state_in_which_a_run_has_failed_is_watched_once() -> None:
    """Prefect names the event after the state: a refused run raises no `Failed`."""
    watched = [event for watch in WATCHES for event in watch.events]

    for state in ("Failed", "Crashed", "PartlyFailed", REFUSED):
        assert 1 == watched.count(f"prefect.flow-run.{state}")


RUN = FlowRun(
    flow_id=uuid4(), name="Opportunity 0063X", state=Failed(message="step-failed: no model")
)
POOL = WorkPool(id=uuid4(), name="orchestrator", type="in-process", default_queue_id=uuid4())


@pytest.mark.parametrize("watch", WATCHES, ids=lambda watch: watch.name)
@pytest.mark.parametrize("ui_url", ["https://prefect.example", None])
async def test_the_text_names_what_it_is_about_with_a_link_if_the_server_knows_its_address(
    watch: Watch, ui_url: str | None
) -> None:
    [action] = automation(watch, POOL.name, block_id=uuid4()).actions
    assert isinstance(action, SendNotification)
    register_user_template_filters(all_filters)

    with temporary_settings({PREFECT_UI_URL: ui_url}):
        text = await render_user_template(action.body, {"flow_run": RUN, "work_pool": POOL})

    what, link = text.split("\n")
    assert what in (
        "Flow run Opportunity 0063X is Failed. step-failed: no model",
        "Work pool orchestrator is not ready.",
    )
    assert link.startswith(f"{ui_url}/") if ui_url else link == ""
