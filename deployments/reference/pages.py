"""The generated pages, by their files in docs/."""

from collections.abc import Callable, Mapping

from deployments.cli.system.settings_page import settings_page
from deployments.reference.commands import commands_page
from deployments.reference.events import events_page
from deployments.reference.routes import routes_page

PAGES: Mapping[str, Callable[[], str]] = {
    "settings.md": settings_page,
    "reference/commands.md": commands_page,
    "reference/routes.md": routes_page,
    "reference/events.md": events_page,
}
