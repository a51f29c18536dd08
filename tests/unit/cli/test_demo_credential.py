"""How the demo shows who it is, in every mode that the API knows."""

from pathlib import Path

import click
import pytest

from blocks.security import api_keys
from blocks.services import open_store
from blocks.settings import Settings, load_settings
from deployments.cli.demo.credential import curl_options, demo_headers
from deployments.local.development_key import DEMO_TENANT, development_key
from tests.support.factories import A_TENANT


def settings_of(folder: Path, **environment: str) -> Settings:
    return load_settings({"ORCHESTRATOR_DATA_DIR": str(folder), **environment})


async def test_the_demos_key_may_only_look_and_is_gone_with_the_demo(tmp_path: Path) -> None:
    settings = settings_of(tmp_path)
    async with open_store(settings) as store:
        async with demo_headers(settings, A_TENANT) as headers:
            record = (
                await api_keys.find_key(store, headers["Authorization"].removeprefix("Bearer "))
            ).record

        assert (A_TENANT, ["viewer"], A_TENANT) == (
            record.tenant,
            record.roles,
            headers["X-Tenant-ID"],
        )
        assert [] == await api_keys.keys_of(store, A_TENANT)


async def test_behind_a_gateway_the_demo_sends_what_the_gateway_would(tmp_path: Path) -> None:
    settings = settings_of(tmp_path, AUTH_MODE="gateway")

    async with demo_headers(settings, A_TENANT) as headers:
        assert {"X-Tenant-ID": A_TENANT, "X-User-ID": "demo", "X-User-Roles": "viewer"} == headers
    assert f'-H "X-Tenant-ID: {A_TENANT}"' == curl_options(settings, A_TENANT)


async def test_where_keys_are_switched_off_the_demo_reports_it(tmp_path: Path) -> None:
    settings = settings_of(tmp_path, AUTH_MODE="jwt", JWT_SECRET="s" * 32)

    with pytest.raises(click.ClickException, match="AUTH_MODE must include api-key"):
        async with demo_headers(settings, A_TENANT):
            pass


async def test_the_printed_command_names_the_file_of_the_key_and_never_the_key(
    tmp_path: Path,
) -> None:
    settings = settings_of(tmp_path)
    file = await development_key(settings)

    assert f"Bearer $(cat {file})" in curl_options(settings, DEMO_TENANT)
    assert "Bearer $KEY" in curl_options(settings, A_TENANT)
