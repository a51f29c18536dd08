"""Login links as a person at a terminal gets them: an address to open."""

from collections.abc import Sequence

from blocks.contracts.roles import ROLES, Role
from blocks.ports import RecordStore
from blocks.security import login_links
from blocks.services import open_store
from blocks.settings import Settings
from blocks.settings.links import api_url
from deployments.local.development_key import DEMO_TENANT


async def demo_login_link(settings: Settings) -> str:
    """Signs in to the demo tenant, with all roles."""
    async with open_store(settings) as store:
        return await login_link(settings, store, DEMO_TENANT, ROLES)


async def login_link(
    settings: Settings, store: RecordStore, tenant_id: str, roles: Sequence[Role]
) -> str:
    """Its address; it signs in once, within `login_links.LIVES`. Raises `TooManyKeys`."""
    token, _ = await login_links.create_link(store, tenant_id, roles)
    return f"{api_url(settings.server)}/login/{token}"
