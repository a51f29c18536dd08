"""The keys that `orchestrator up` makes for the demo tenant, so that curl and the pages work on a
laptop at once.
"""

from datetime import timedelta
from pathlib import Path

from blocks.contracts.roles import ROLES
from blocks.ports import RecordStore
from blocks.security import api_keys
from blocks.security.login_links import issue_login
from blocks.services import open_store
from blocks.settings import Settings
from blocks.settings.auth import API_KEY, modes_of

DEMO_TENANT = "7b7e5d1e-3d0c-4c57-9d5e-0d3f6d1f2a10"
LIFE = timedelta(days=90)
NAME = "development"
PERSON = "developer"
"""Whom the login link signs in: a key that acts for no one else, so that it decides itself."""
PERSON_LIFE = timedelta(days=1)


def key_file(settings: Settings) -> Path:
    """Where the key is kept, readable by its owner only."""
    return Path(settings.data_dir) / "development-key"


async def development_key(settings: Settings) -> Path | None:
    """The file of an API key with all roles for the demo tenant; reused while it is valid.

    None if the store is not embedded, so that this is no development machine, or if keys are
    switched off.
    """
    if API_KEY not in modes_of(settings.auth) or not settings.embedded_file(
        settings.cosmos_db.endpoint
    ):
        return None
    file = key_file(settings)
    async with open_store(settings) as store:
        if not await _is_live(store, file):
            await _renew(store, file)
    return file


async def login_token(settings: Settings, folder: Path) -> str | None:
    """Of a one-time login link, for whom the API reads this data folder. None as for the key."""
    if await development_key(settings) is None:
        return None
    async with open_store(settings) as store:
        await _forget(store, PERSON)
        key, _ = await api_keys.create_key(store, DEMO_TENANT, PERSON, ROLES, lives=PERSON_LIFE)
    return issue_login(folder, key)


async def _is_live(store: RecordStore, file: Path) -> bool:
    try:
        await api_keys.find_key(store, _read(file))
    except (OSError, api_keys.NoSuchKey, api_keys.KeyExpired):
        return False
    return True


async def _renew(store: RecordStore, file: Path) -> None:
    """Earlier ones, whose file has gone, are revoked."""
    await _forget(store, NAME)
    key, _ = await api_keys.create_key(
        store, DEMO_TENANT, NAME, ROLES, lives=LIFE, acts_for_users=True
    )
    _write(file, key)


async def _forget(store: RecordStore, name: str) -> None:
    for known in await api_keys.keys_of(store, DEMO_TENANT):
        if known.name == name:
            await api_keys.forget_key(store, known)


def _read(file: Path) -> str:
    return file.read_text().strip()


def _write(file: Path, key: str) -> None:
    file.unlink(missing_ok=True)
    file.touch(mode=0o600)
    file.write_text(f"{key}\n")
