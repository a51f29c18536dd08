"""Backups in Azure Blob Storage: Azurite's server, through the URL that a setting names."""

from collections.abc import Iterator

import fsspec
import pytest

from blocks.clock import utc_now
from blocks.operations.backups import (
    Place,
    backup_name,
    backups,
    clean,
    create,
    newest_verified,
    restore,
    store,
)
from blocks.ports import Unavailable
from tests.support.operations.shop import TABLES, Shop
from tests.support.payouts.azurite import azurite

pytestmark = pytest.mark.long

CONTAINER = "backups"


@pytest.fixture(scope="module")
def connection() -> Iterator[str]:
    with azurite(CONTAINER) as connection:
        yield connection


@pytest.fixture
def place(shop: Shop, connection: str, monkeypatch: pytest.MonkeyPatch) -> Place:
    monkeypatch.setenv("AZURE_STORAGE_CONNECTION_STRING", connection)
    # fsspec keeps a client for each URL, with the credentials of its first use
    fsspec.get_filesystem_class("abfs").clear_instance_cache()
    return shop.place(BACKUP_URL=f"abfs://{CONTAINER}/{shop.name}/prefix")


async def test_a_backup_is_proven_from_the_container_kept_and_restored(
    shop: Shop, place: Place
) -> None:
    assert await newest_verified(place.files, shop.name) is None
    names = [backup_name(shop.name, moment) for moment in (utc_now().replace(year=2020), utc_now())]
    for name in names:
        await store(place, shop.database, name)

    cleaned = await clean(place, shop.database)
    restored = await restore(place, names[1], f"{shop.name}_copy", replace=False, owners=True)

    assert [names[0]] == cleaned.expired
    assert [names[1]] == [backup.name async for backup in backups(place.files, shop.name)]
    assert (sum(TABLES.values()), []) == (restored.rows, restored.differences)


async def test_an_archive_larger_than_one_block_comes_back_as_it_was(
    shop: Shop, place: Place
) -> None:
    await shop.query(_NOISE)
    name = backup_name(shop.name, utc_now())

    manifest = await create(place, shop.database, name)
    evidence = await store(place, shop.database, name)

    assert manifest.bytes > 20_000_000
    assert manifest.sha256 == evidence.sha256


async def test_a_container_that_is_not_there_is_named_by_its_setting(
    shop: Shop, place: Place
) -> None:
    nowhere = shop.place(BACKUP_URL="abfs://nowhere/prefix")

    with pytest.raises(Unavailable, match="BACKUP_URL"):
        await store(nowhere, shop.database, backup_name(shop.name, utc_now()))


# Digests do not compress: 24 MB.
_NOISE = """
CREATE TABLE noise AS
SELECT decode(string_agg(md5(random()::text), ''), 'hex') AS bytes
FROM generate_series(1, 1500000) n GROUP BY n / 1000
"""
