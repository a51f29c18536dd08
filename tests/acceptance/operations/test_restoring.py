"""The way back, on a real PostgreSQL: what is restored, and what is refused."""

from pathlib import Path

import msgspec
import pytest

from blocks.clock import utc_now
from blocks.operations.backups import (
    BackupFailed,
    NotVerified,
    Place,
    Refused,
    backup_name,
    create,
    restore,
    store,
    verify,
)
from blocks.operations.backups.catalogue import archive_key
from deployments.cli.actions.backups import (
    PARTS_OF_BACKUP,
    PARTS_OF_RESTORE,
    PARTS_OF_VERIFICATION,
)
from tests.support.operations.shop import TABLES, Shop

pytestmark = pytest.mark.long


@pytest.fixture
def place(shop: Shop) -> Place:
    return shop.place()


@pytest.fixture
async def name(shop: Shop, place: Place) -> str:
    """A verified backup."""
    name = backup_name(shop.name, utc_now())
    await store(place, shop.database, name)
    return name


def archive_of(shop: Shop, name: str) -> Path:
    return Path(shop.environment["ORCHESTRATOR_DATA_DIR"]) / "backups" / archive_key(name)


async def test_a_backup_is_restored_into_a_new_database_beside_its_own(
    shop: Shop, place: Place, name: str
) -> None:
    restored = await restore(place, name, f"{shop.name}_copy", replace=False, owners=True)

    assert (4, sum(TABLES.values()), []) == (restored.tables, restored.rows, restored.differences)
    copy = restored.database.name
    assert [1000] == await shop.query("SELECT max(id) FROM newest", copy)
    assert [5] == await shop.query("SELECT count(*) FROM events WHERE note = 'note'", copy)


async def test_each_part_of_the_work_is_reported_once_so_that_a_bar_can_show_it(
    shop: Shop, place: Place
) -> None:
    lines, name = list[str](), backup_name(shop.name, utc_now())
    place = msgspec.structs.replace(place, report=lines.append)

    await create(place, shop.database, name)
    await store(place, shop.database, name)
    backed_up = len(lines)
    await verify(place, name)
    verified = len(lines) - backed_up
    await restore(place, name, f"{shop.name}_copy", replace=False, owners=True)
    restored = len(lines) - backed_up - verified

    assert (PARTS_OF_BACKUP, PARTS_OF_VERIFICATION, PARTS_OF_RESTORE) == (
        backed_up,
        verified,
        restored,
    )


async def test_a_lost_database_comes_back(shop: Shop, place: Place, name: str) -> None:
    await shop.query(f"DROP DATABASE {shop.name}", "postgres")

    await restore(place, name, replace=False, owners=True)

    assert [1000] == await shop.query("SELECT count(*) FROM orders")


async def test_a_database_that_is_not_empty_is_refused_and_left_as_it_is(
    shop: Shop, place: Place, name: str
) -> None:
    await shop.query("DELETE FROM orders WHERE id > 10")

    with pytest.raises(Refused, match="is not empty"):
        await restore(place, name, replace=False, owners=True)

    assert [10] == await shop.query("SELECT count(*) FROM orders")


async def test_with_replace_it_holds_the_backup_again_and_what_it_has_besides_is_named(
    shop: Shop, place: Place, name: str
) -> None:
    await shop.query("DELETE FROM orders")
    await shop.query("CREATE TABLE newer ()")

    restored = await restore(place, name, replace=True, owners=True)

    assert ["public.newer is there and was not in the database"] == restored.differences
    assert [1000] == await shop.query("SELECT count(*) FROM orders")


async def test_a_restore_that_fails_leaves_the_database_as_it_was(
    shop: Shop, place: Place, name: str
) -> None:
    await shop.query("DELETE FROM orders WHERE id > 10")
    # a newer view, of which the backup knows nothing, needs the table
    await shop.query("CREATE VIEW needs_orders AS SELECT * FROM orders")

    with pytest.raises(BackupFailed, match="other objects depend on it"):
        await restore(place, name, replace=True, owners=True)

    assert [10] == await shop.query("SELECT count(*) FROM needs_orders")


async def test_an_archive_that_was_never_verified_is_refused(shop: Shop, place: Place) -> None:
    name = backup_name(shop.name, utc_now())
    await create(place, shop.database, name)

    with pytest.raises(NotVerified, match="was never verified"):
        await restore(place, name, f"{shop.name}_copy", replace=False, owners=True)

    assert [] == await shop.query(
        f"SELECT datname FROM pg_database WHERE datname = '{shop.name}_copy'"
    )


async def test_an_archive_that_was_changed_since_is_refused(
    shop: Shop, place: Place, name: str
) -> None:
    with archive_of(shop, name).open("ab") as archive:
        archive.write(b"\0")

    with pytest.raises(NotVerified, match="SHA-256 differs"):
        await restore(place, name, f"{shop.name}_copy", replace=False, owners=True)

    assert [] == await shop.query(
        f"SELECT datname FROM pg_database WHERE datname = '{shop.name}_copy'"
    )


async def test_an_archive_with_differences_is_refused_with_them(
    shop: Shop, place: Place, name: str
) -> None:
    evidence = archive_of(shop, name).with_suffix(".evidence.json")
    text = evidence.read_text().replace('"differences": []', '"differences": ["orders is missing"]')
    evidence.write_text(text)

    with pytest.raises(NotVerified, match="orders is missing"):
        await restore(place, name, replace=True, owners=True)


async def test_a_missing_role_is_named_with_the_way_around(shop: Shop, place: Place) -> None:
    role, name = f"owner_of_{shop.name}", backup_name(shop.name, utc_now())
    await shop.query(f"CREATE ROLE {role}")
    await shop.query(f"ALTER TABLE orders OWNER TO {role}")
    await store(place, shop.database, name)
    await shop.query("ALTER TABLE orders OWNER TO postgres")
    await shop.query(f"DROP ROLE {role}")

    with pytest.raises(BackupFailed, match="--without-owners"):
        await restore(place, name, f"{shop.name}_copy", replace=False, owners=True)
    restored = await restore(place, name, f"{shop.name}_copy", replace=False, owners=False)

    assert [] == restored.differences
