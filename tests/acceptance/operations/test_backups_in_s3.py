"""Backups in a bucket of S3, through the URL that a setting names."""

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
from tests.support.operations.s3 import s3_server
from tests.support.operations.shop import TABLES, Shop

pytestmark = pytest.mark.long

BUCKET = "backups"


@pytest.fixture(scope="module")
def server() -> Iterator[dict[str, str]]:
    with s3_server(BUCKET) as environment:
        yield environment


@pytest.fixture
def shop_with_s3(shop: Shop, server: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> Shop:
    for name, value in server.items():
        monkeypatch.setenv(name, value)
    # fsspec keeps a client for each URL, with the credentials of its first use
    fsspec.get_filesystem_class("s3").clear_instance_cache()
    return shop


@pytest.fixture
def place(shop_with_s3: Shop) -> Place:
    return shop_with_s3.place(BACKUP_URL=f"s3://{BUCKET}/{shop_with_s3.name}/prefix")


async def test_a_backup_is_proven_from_the_bucket_kept_and_restored(
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


async def test_an_archive_of_several_parts_is_proven(shop: Shop, place: Place) -> None:
    """s3fs sends files of more than 50 MiB in parts."""
    await shop.query(
        "CREATE TABLE noise AS SELECT gen_random_uuid() a, gen_random_uuid() b, gen_random_uuid() c"
        " FROM generate_series(1, 1200000)"
    )
    name = backup_name(shop.name, utc_now())
    await create(place, shop.database, name)

    await store(place, shop.database, name)

    assert await newest_verified(place.files, shop.name)


async def test_a_bucket_that_is_not_there(shop_with_s3: Shop) -> None:
    place = shop_with_s3.place(BACKUP_URL="s3://nowhere/prefix")

    with pytest.raises(Unavailable, match=r"backups \(BACKUP_URL\)"):
        await store(place, shop_with_s3.database, backup_name(shop_with_s3.name, utc_now()))
