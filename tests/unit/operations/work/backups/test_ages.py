"""How old the newest verified backup is, for the doctor and as a metric."""

import asyncio
from datetime import timedelta
from pathlib import Path

import pytest
from prometheus_client import REGISTRY

from api.reconciler import backup_ages
from api.reconciler.backup_ages import look_at_backups
from blocks.clock import utc_now
from blocks.operations.backups import Evidence, backup_name
from blocks.operations.backups.catalogue import archive_key, write_evidence
from blocks.operations.backups.place import place_of
from blocks.settings import Settings, load_settings
from deployments.doctor.checks.backups import backups
from deployments.doctor.connections import Connections
from deployments.doctor.finding import failed, ok, warning
from tests.support.waiting import eventually

TODO = "`orchestrator ops backup now`; docs/runbooks/backup-failed.md"


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return load_settings(
        {"ORCHESTRATOR_DATA_DIR": str(tmp_path), "DATABASE_URL": "postgresql://u@nowhere/shop"}
    )


async def a_backup(settings: Settings, *, hours_old: float, differences: list[str]) -> Evidence:
    files, taken_at = place_of(settings).files, utc_now() - timedelta(hours=hours_old)
    evidence = Evidence(
        name=backup_name("shop", taken_at),
        database="shop",
        taken_at=taken_at,
        bytes=7,
        sha256="",
        verified_at=utc_now(),
        server_version="15.18",
        seconds=1.0,
        tables=1,
        rows=1,
        differences=differences,
    )
    await files.write(archive_key(evidence.name), b"archive")
    await write_evidence(files, evidence)
    return evidence


def gauge(name: str = "verified_timestamp") -> float | None:
    name = f"workflow_orchestrator_backup_{name}_seconds"
    return REGISTRY.get_sample_value(name, {"database": "shop"})


async def test_without_a_verified_backup_there_is_no_way_back(settings: Settings) -> None:
    await a_backup(settings, hours_old=1, differences=["orders is missing"])
    await look_at_backups(place_of(settings))

    assert [failed("backups", "shop: no verified backup", TODO)] == await backups(
        Connections(settings)
    )
    assert 0 == gauge()


async def test_the_newest_verified_one_counts_not_a_newer_one_that_differs(
    settings: Settings,
) -> None:
    verified = await a_backup(settings, hours_old=5, differences=[])
    await a_backup(settings, hours_old=9, differences=[])
    await a_backup(settings, hours_old=1, differences=["orders is missing"])
    await look_at_backups(place_of(settings))

    found = f"shop: {verified.name} is verified, 5 h old"
    assert [ok("backups", found)] == await backups(Connections(settings))
    assert int(verified.taken_at.timestamp()) == gauge()
    assert settings.operations.database_backup.late_hours * 3600 == gauge("late_after")


async def test_from_the_age_of_the_setting_on_it_is_late(settings: Settings) -> None:
    verified = await a_backup(settings, hours_old=27, differences=[])

    found = f"shop: {verified.name} is verified, 27 h old"
    assert [warning("backups", found, TODO)] == await backups(Connections(settings))


async def test_without_a_configured_database_nothing_is_looked_for() -> None:
    [finding] = await backups(Connections(load_settings({})))

    assert ("ok", "no database is configured: set DATABASE_URL") == (finding.state, finding.found)


async def test_a_file_with_the_name_of_no_moment_is_no_backup(settings: Settings) -> None:
    whole = await a_backup(settings, hours_old=1, differences=[])
    await place_of(settings).files.write("shop/shop-20269999_000000.dump", b"by hand")

    await look_at_backups(place_of(settings))

    assert int(whole.taken_at.timestamp()) == gauge()


async def test_whatever_goes_wrong_the_reconciler_goes_on(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """What a duty raises ends the whole reconciler, here and in the API that leads next."""
    looks: list[None] = []

    async def broken(place: object) -> None:
        looks.append(None)
        raise ImportError("libpq")

    monkeypatch.setattr(backup_ages, "look_at_backups", broken)
    monkeypatch.setattr(backup_ages, "_LOOK_SECONDS", 0.01)
    watching = asyncio.create_task(backup_ages.watch_backups(settings))

    async def has_looked_again() -> bool:
        return len(looks) > 1

    await eventually(has_looked_again)
    assert not watching.done()
    watching.cancel()
    assert "ages of backups could not be looked after" in caplog.text
