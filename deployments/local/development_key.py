"""The key that `orchestrator up` makes for the demo tenant, so that curl works on a
laptop at once.
"""

from datetime import timedelta
from pathlib import Path

from blocks.contracts.roles import ROLES
from blocks.ports import RecordStore
from blocks.security import api_keys
from blocks.services import open_store
from blocks.settings import Settings
from blocks.settings.auth import API_KEY, modes_of

DEMO_TENANT = "7b7e5d1e-3d0c-4c57-9d5e-0d3f6d1f2a10"
LIFE = timedelta(days=90)
NAME = "development"


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


async def _is_live(store: RecordStore, file: Path) -> bool:
    try:
        await api_keys.find_key(store, _read(file))
    except (OSError, api_keys.NoSuchKey, api_keys.KeyExpired):
        return False
    return True


async def _renew(store: RecordStore, file: Path) -> None:
    """Earlier ones, whose file has gone, are revoked."""
    for known in await api_keys.keys_of(store, DEMO_TENANT):
        if known.name == NAME:
            await api_keys.forget_key(store, known)
    key, _ = await api_keys.create_key(
        store, DEMO_TENANT, NAME, ROLES, lives=LIFE, acts_for_users=True
    )
    _write(file, key)


def _read(file: Path) -> str:
    return file.read_text().strip()


def _write(file: Path, key: str) -> None:
    file.unlink(missing_ok=True)
    file.touch(mode=0o600)
    file.write_text(f"{key}\n")
