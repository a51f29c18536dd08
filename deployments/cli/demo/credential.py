"""The demo's API key: it may do what the demo does, and is revoked at the end of the demo."""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from uuid import uuid4

import click

from blocks.contracts.roles import Role
from blocks.security import api_keys
from blocks.services import open_store
from blocks.settings import Settings
from blocks.settings.auth import API_KEY, GATEWAY, modes_of
from deployments.local.development_key import DEMO_TENANT, key_file

LIFE = timedelta(hours=1)
"""For a demo that is killed before it can revoke its key."""


@asynccontextmanager
async def demo_headers(
    settings: Settings, tenant_id: str, roles: Sequence[Role] = ("viewer",)
) -> AsyncIterator[Mapping[str, str]]:
    """The headers of the demo's requests, for the duration of the context."""
    named = {"X-Tenant-ID": tenant_id}
    if GATEWAY in modes_of(settings.auth):
        yield named | {"X-User-ID": "demo", "X-User-Roles": ",".join(roles)}
        return
    if API_KEY not in modes_of(settings.auth):
        raise click.ClickException(
            "the demo asks the API with a key: AUTH_MODE must include api-key"
        )
    async with open_store(settings) as store:
        key, record = await api_keys.create_key(
            store, tenant_id, f"demo-{uuid4().hex[:8]}", roles, lives=LIFE
        )
        try:
            yield named | {"Authorization": f"Bearer {key}"}
        finally:
            await api_keys.forget_key(store, record)


def curl_options(settings: Settings, tenant_id: str) -> str:
    """curl's options to see the same; `$KEY` where there is no key file."""
    file = key_file(settings)
    if GATEWAY in modes_of(settings.auth):
        return f'-H "X-Tenant-ID: {tenant_id}"'
    key = f"$(cat {file})" if tenant_id == DEMO_TENANT and file.exists() else "$KEY"
    return f'-H "Authorization: Bearer {key}" -H "X-Tenant-ID: {tenant_id}"'
