"""API keys at the Socket.IO endpoint: any user of one tenant, until they are revoked."""

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from api.access import key_holders
from api.access.authentication import identification
from api.access.errors import CredentialInvalid
from api.access.limits.failures import Failures
from api.sockets.admission import Admission
from blocks.adapters.sqlite.record_store import SqliteRecordStore
from blocks.ports import RecordStore
from blocks.security import api_keys
from blocks.settings import load_settings
from tests.support.api.credentials import ENVIRONMENT
from tests.support.factories import A_TENANT

SETTINGS = load_settings(ENVIRONMENT)


@pytest.fixture
async def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[RecordStore]:
    monkeypatch.setattr(key_holders, "BELIEVED_SECONDS", 0.0)
    async with SqliteRecordStore(tmp_path / "records.db") as store:
        yield store


def door(store: RecordStore) -> Admission:
    identify = identification(SETTINGS.auth, store)
    return Admission(identify, Failures(SETTINGS.auth.failures_per_minute), SETTINGS.claims)


def scope() -> dict[str, Any]:
    return {"headers": [], "client": ("10.0.0.1", 1), "state": {}}


async def test_a_key_follows_any_user_of_its_tenant_and_ends_when_it_is_revoked(
    store: RecordStore,
) -> None:
    key, record = await api_keys.create_key(
        store, A_TENANT, "pages", ("viewer",), lives=timedelta(hours=1)
    )
    admission = door(store)

    admitted = await admission.admit(scope(), "ann", key)
    assert (A_TENANT, "ann") == (admitted.tenant_id, admitted.user_id)
    await admission.still(scope(), admitted)

    await api_keys.revoke_key(store, A_TENANT, record.prefix)
    with pytest.raises(CredentialInvalid):
        await admission.still(scope(), admitted)
    with pytest.raises(CredentialInvalid):
        await admission.admit(scope(), "ann", key)
