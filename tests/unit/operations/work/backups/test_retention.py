"""Which backups may go: for any history, what is needed stays."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from blocks.files import open_files
from blocks.operations.backups.catalogue import (
    Backup,
    Evidence,
    archive_key,
    backup_name,
    unfinished,
)
from blocks.operations.backups.retention import cleanable
from blocks.settings import load_settings

PART = load_settings({}).operations.database_backup
NOW = datetime(2026, 11, 29, 12, tzinfo=UTC)  # a Sunday


def a_backup(taken_at: datetime, *, differs: bool | None = False) -> Backup:
    """Verified; with `differs`, not; with None, without evidence."""
    name = backup_name("shop", taken_at)
    proof = Evidence(
        name=name,
        database="shop",
        taken_at=taken_at,
        bytes=1,
        sha256="",
        verified_at=taken_at,
        server_version="15.18",
        seconds=1.0,
        tables=1,
        rows=1,
        differences=["orders is missing"] if differs else [],
    )
    return Backup(
        name=name,
        database="shop",
        taken_at=taken_at,
        keys=(archive_key(name),),
        evidence=None if differs is None else proof,
    )


def nightly(days: int) -> list[Backup]:
    return [a_backup(NOW.replace(hour=2) - timedelta(days=day)) for day in range(days)]


def test_of_a_year_of_nights_thirty_days_stay_and_the_last_of_each_week_for_ninety() -> None:
    history = nightly(365)

    expired = cleanable(history, PART, NOW).expired

    kept = [backup.taken_at for backup in history if backup.name not in expired]
    ages = [(NOW.date() - moment.date()).days for moment in kept]
    assert [*range(30)] == ages[:30]
    assert all(moment.isoweekday() == 7 for moment in kept[30:])
    assert [35, 42, 49, 56, 63, 70, 77, 84] == ages[30:]


def test_the_newest_verified_backup_stays_however_old_it_is() -> None:
    only, older = a_backup(NOW - timedelta(days=900)), a_backup(NOW - timedelta(days=901))

    assert [older.name] == cleanable([only, older], PART, NOW).expired


@pytest.mark.parametrize("differs", [True, None])
def test_what_is_unverified_goes_once_a_newer_one_is_verified(differs: bool | None) -> None:
    left = a_backup(NOW - timedelta(days=2), differs=differs)
    verified = a_backup(NOW - timedelta(days=3))

    before = cleanable([left, verified], PART, NOW)
    after = cleanable([a_backup(NOW), left, verified], PART, NOW)

    assert ([], []) == (before.expired, before.left_behind)
    assert [left.name] == after.left_behind


async def test_of_files_that_begin_with_a_dot_only_backups_of_a_killed_writer_are_unfinished(
    tmp_path: Path,
) -> None:
    files = open_files("kept", "archives", str(tmp_path), setting="BACKUP_URL")
    archive = f".{archive_key(backup_name('shop', NOW)).rpartition('/')[2]}"
    left = f"shop/{archive}.0123456789abcdef"
    others = [".gitkeep", f"{archive}.0123", archive, ".notes.txt.0123456789abcdef"]
    for key in (left, *(f"shop/{name}" for name in others)):
        await files.write(key, b"")

    assert [left] == await unfinished(files, "shop")


def test_evidence_without_its_archive_is_no_backup() -> None:
    lost = msgspec.structs.replace(a_backup(NOW), keys=())
    old = a_backup(NOW - timedelta(days=900))

    assert [] == cleanable([lost, old], PART, NOW).expired


moments = st.datetimes(datetime(2025, 1, 1), datetime(2026, 11, 29), timezones=st.just(UTC))


@given(
    st.lists(
        st.tuples(moments, st.sampled_from((False, True, None))),
        unique_by=lambda one: one[0].replace(microsecond=0),
        max_size=40,
    )
)
def test_whatever_the_history_a_verified_backup_is_left_and_nothing_newer_than_it_goes(
    history: list[tuple[datetime, bool | None]],
) -> None:
    found = [a_backup(moment, differs=differs) for moment, differs in history]
    verified = [backup for backup in found if backup.is_verified]

    cleaned = cleanable(found, PART, NOW)

    going = {*cleaned.expired, *cleaned.left_behind}
    if not verified:
        assert set() == going
        return
    newest = max(verified, key=lambda backup: backup.taken_at)
    assert not [one.name for one in found if one.taken_at >= newest.taken_at and one.name in going]
