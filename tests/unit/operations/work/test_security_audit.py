"""The security audit on real files, real certificates and the embedded store."""

import asyncio
import json
import os
import ssl
import zipfile
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import pytest
import trustme
from packaging.version import Version

from blocks.audit.failed_logins import FailedLogins
from blocks.clock import utc_now
from blocks.contracts.events import JsonObject
from blocks.contracts.ids import SYSTEM_TENANT
from blocks.files import open_files
from blocks.operations import security
from blocks.operations.http import ServiceFailed
from blocks.operations.postgres import DatabaseFailed
from blocks.operations.security.advisories import Advisory, decoded
from blocks.operations.security.report import expired
from blocks.operations.security.vulnerabilities import AdvisoriesMissing
from blocks.operations.work import NotConfigured
from blocks.ports import RecordStore
from blocks.settings import Settings, load_settings
from blocks.settings.operations import SecurityAudit
from blocks.tenants.directory import enter_in_directory
from flows.shared.operations.security_page import page_of
from tests.support.factories import A_TENANT, an_api_key, an_audit_entry
from tests.support.operations.web import Answers, Asked, Reply, web_service

LOCK = """\
# Made by a tool; do not edit.
jinja2==2.10 ; python_version >= "3.8" \\
    --hash=sha256:aaaa \\
    --hash=sha256:bbbb
    # via shop
Markup_Safe==3.0.4
requests>=2
"""

SANDBOX_ESCAPE = {
    "id": "GHSA-462w-v97r-4m45",
    "modified": "2024-09-20T15:57:30Z",
    "aliases": ["CVE-2019-10906"],
    "summary": "Jinja2 sandbox escape",
    "affected": [
        {
            "package": {"ecosystem": "PyPI", "name": "Jinja2"},
            "ranges": [{"type": "ECOSYSTEM", "events": [{"introduced": "0"}, {"fixed": "2.10.1"}]}],
        },
        {"package": {"ecosystem": "npm", "name": "markup-safe"}, "versions": ["3.0.4"]},
    ],
    "database_specific": {"severity": "CRITICAL"},
}
THE_SAME = SANDBOX_ESCAPE | {
    "id": "PYSEC-2019-217",
    "aliases": ["CVE-2019-10906", "GHSA-462w-v97r-4m45"],
    "database_specific": None,
}


def settings_of(folder: Path, **changes: object) -> Settings:
    (folder / "data").mkdir(exist_ok=True, mode=0o700)
    named = {f"SECURITY_AUDIT_{name}": str(value) for name, value in changes.items()}
    return load_settings({"ORCHESTRATOR_DATA_DIR": str(folder / "data"), **named})


def planted(folder: Path, *advisories: Mapping[str, object]) -> Path:
    place = folder / "advisories" / "PyPI"
    place.mkdir(parents=True)
    for number, advisory in enumerate(advisories):
        (place / f"{number}.json").write_text(json.dumps(advisory))
    return place.parent


async def scanned(folder: Path, advisories: Path, lock: str = LOCK) -> JsonObject:
    (folder / "requirements.lock").write_text(lock)
    settings = settings_of(folder, ADVISORIES=advisories, LOCK_FILES=folder / "requirements.lock")
    return await security.scan(settings.operations.security_audit)


# --- packages -------------------------------------------------------------------------------------


async def test_a_planted_old_package_is_found_once_however_many_advisories_name_it(
    tmp_path: Path,
) -> None:
    result = await scanned(tmp_path, planted(tmp_path, THE_SAME, SANDBOX_ESCAPE))

    assert [
        {
            "severity": "critical",
            "subject": "jinja2 2.10 in requirements.lock",
            "problem": "GHSA-462w-v97r-4m45 (CVE-2019-10906): Jinja2 sandbox escape",
            "remedy": "upgrade to 2.10.1",
        }
    ] == result["vulnerabilities"]
    assert (1, 2, 2) == (
        result["vulnerabilitiesFound"],
        result["packagesChecked"],
        result["advisoriesRead"],
    )
    assert "2024-09-20T15:57:30+00:00" == result["newestAdvisory"]


async def test_what_cannot_be_compared_makes_the_scan_incomplete(tmp_path: Path) -> None:
    place = planted(tmp_path, SANDBOX_ESCAPE)
    assert (await scanned(tmp_path, place, "jinja2==3.1.6\n"))["scanComplete"]

    (place / "broken.json").write_text("{")
    result = await scanned(tmp_path, place)

    assert (False, 1, 1) == (
        result["scanComplete"],
        result["packagesUnchecked"],
        result["advisoriesUnreadable"],
    )


async def test_advisories_may_come_in_a_zip_and_be_withdrawn(tmp_path: Path) -> None:
    withdrawn = SANDBOX_ESCAPE | {"withdrawn": "2025-01-01T00:00:00Z"}
    with zipfile.ZipFile(tmp_path / "all.zip", "w") as archive:
        archive.writestr("1.json", json.dumps(withdrawn))

    result = await scanned(tmp_path, tmp_path / "all.zip")

    assert (0, 1) == (result["vulnerabilitiesFound"], result["advisoriesRead"])


async def test_without_advisories_nothing_is_said_of_packages(tmp_path: Path) -> None:
    with pytest.raises(NotConfigured, match="SECURITY_AUDIT_ADVISORIES"):
        await security.scan(settings_of(tmp_path).operations.security_audit)
    (tmp_path / "empty").mkdir()
    with pytest.raises(AdvisoriesMissing):
        await scanned(tmp_path, tmp_path / "empty")


async def test_without_a_lock_what_is_installed_is_scanned(tmp_path: Path) -> None:
    about_ours = SANDBOX_ESCAPE | {
        "affected": [
            {
                "package": {"ecosystem": "PyPI", "name": "msgspec"},
                "versions": [msgspec.__version__],
            }
        ]
    }
    settings = settings_of(tmp_path, ADVISORIES=planted(tmp_path, about_ours))

    result = await security.scan(settings.operations.security_audit)

    [found] = result["vulnerabilities"]
    assert f"msgspec {msgspec.__version__} in installed" == found["subject"]
    assert "no fixed version is known: replace it" == found["remedy"]


@pytest.mark.parametrize(
    ("version", "events", "is_affected"),
    [
        ("1.0", [{"introduced": "0"}], True),
        ("0.1.dev1", [{"introduced": "0"}, {"fixed": "1.0"}], True),
        ("1.0", [{"introduced": "0"}, {"fixed": "1.0"}], False),
        ("1.0", [{"introduced": "0"}, {"last_affected": "1.0"}], True),
        ("1.0.1", [{"introduced": "0"}, {"last_affected": "1.0"}], False),
        ("2.5", [{"introduced": "1"}, {"fixed": "2"}, {"introduced": "2.4"}], True),
        ("2.3", [{"introduced": "1"}, {"fixed": "2"}, {"introduced": "2.4"}], False),
        ("2.10", [{"fixed": "2.10.1"}, {"introduced": "2.9"}], True),
        ("3.0", [{"introduced": "1"}, {"limit": "2.0"}], False),
    ],
)
def test_a_range_affects_the_versions_that_osv_says(
    version: str, events: list[dict[str, str]], is_affected: bool
) -> None:
    affected = {
        "package": {"ecosystem": "PyPI", "name": "shop"},
        "ranges": [{"type": "ECOSYSTEM", "events": events}],
    }
    [advisory] = decoded(json.dumps(SANDBOX_ESCAPE | {"affected": [affected]}).encode())

    assert is_affected == advisory.affects("shop", Version(version))


def test_an_advisory_without_a_rating_counts_as_high() -> None:
    assert "high" == msgspec.convert(THE_SAME, Advisory).severity


# --- permissions ----------------------------------------------------------------------------------


async def violations(settings: Settings, store: RecordStore) -> dict[str, str]:
    """The problems, by subject."""
    result = await security.check_permissions(settings, store)
    assert len(result["violations"]) == result["violationsFound"]
    return {found["subject"]: found["problem"] for found in result["violations"]}


def a_file(path: Path, mode: int, *, days_old: float = 0) -> Path:
    path.parent.mkdir(exist_ok=True, parents=True)
    path.write_text("content")
    path.chmod(mode)
    written = (utc_now() - timedelta(days=days_old)).timestamp()
    os.utime(path, (written, written))
    return path


async def test_open_files_and_secrets_are_found_and_tidy_ones_are_not(
    tmp_path: Path, store: RecordStore
) -> None:
    folder = tmp_path / "etc"
    open_to_all = a_file(folder / "below" / "shop.conf", 0o666)
    a_file(folder / "tidy.conf", 0o664)
    readable = a_file(tmp_path / "secrets" / "readable.key", 0o644)
    of_group = a_file(tmp_path / "secrets" / "group.key", 0o660)
    a_file(tmp_path / "secrets" / "tidy.key", 0o640)
    shared = tmp_path / "etc" / "shared"
    shared.mkdir()
    shared.chmod(0o1777)
    (folder / "link").symlink_to(open_to_all)
    settings = settings_of(tmp_path, PATHS=folder, SECRETS=tmp_path / "secrets/*.key")

    found = await violations(settings, store)

    group = next(problem for path, problem in found.items() if path == str(of_group))
    assert group.startswith("group ")
    assert {
        str(open_to_all): "every user may write it",
        str(readable): "every user may read this secret",
        str(of_group): group,
    } == found


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may give files away")
async def test_files_of_other_users_are_found_unless_these_are_named(
    tmp_path: Path, store: RecordStore
) -> None:
    path = a_file(tmp_path / "shop.conf", 0o644)
    os.chown(path, 65_534, 0)

    found = await violations(settings_of(tmp_path, PATHS=path), store)

    assert {str(path): "it belongs to nobody"} == found
    assert {} == await violations(settings_of(tmp_path, PATHS=path, OWNERS="nobody"), store)


async def test_a_path_that_is_not_there_was_not_checked(tmp_path: Path, store: RecordStore) -> None:
    missing = str(tmp_path / "missing")

    found = await violations(settings_of(tmp_path, PATHS=missing), store)

    assert {missing: "it is not there, so nothing was checked"} == found


async def test_keys_and_secrets_that_soon_expire_are_found(
    tmp_path: Path, store: RecordStore
) -> None:
    now = utc_now()
    soon = an_api_key(name="ci", expires_at=now + timedelta(days=3))
    await store.create(SYSTEM_TENANT, soon)
    await store.create(SYSTEM_TENANT, an_api_key(expires_at=now + timedelta(days=90)))
    await store.create(
        SYSTEM_TENANT, an_api_key(expires_at=now + timedelta(days=3), revoked_at=now)
    )
    old = a_file(tmp_path / "secrets" / "old.key", 0o600, days_old=350)
    a_file(tmp_path / "secrets" / "new.key", 0o600, days_old=10)

    found = await violations(settings_of(tmp_path, SECRETS=tmp_path / "secrets"), store)

    assert {f"API key {soon.prefix} (ci) of tenant {A_TENANT}", f"secret {old}"} == found.keys()


# --- certificates ---------------------------------------------------------------------------------


async def test_certificates_in_files_and_of_servers_are_read(
    tmp_path: Path, store: RecordStore
) -> None:
    authority, now = trustme.CA(), utc_now()
    long = authority.issue_cert("long.example", not_after=now + timedelta(days=300))
    short = authority.issue_cert("localhost", not_after=now + timedelta(days=9))
    gone = authority.issue_cert("gone.example", not_after=now - timedelta(days=1))
    long.cert_chain_pems[0].write_to_path(tmp_path / "long.pem")
    gone.cert_chain_pems[0].write_to_path(tmp_path / "gone.pem")
    async with a_server_with(short) as port:
        named = f"{tmp_path}/*.pem,localhost:{port},localhost:1"
        settings = settings_of(tmp_path, CERTIFICATES=named)
        result = await security.check_permissions(settings, store)

    assert 3 == result["certificatesChecked"]
    assert {
        ("high", f"it expired on {now - timedelta(days=1):%Y-%m-%d}"),
        ("medium", f"it expires on {now + timedelta(days=9):%Y-%m-%d}"),
        ("medium", "its certificate cannot be read"),
    } == {(one["severity"], one["problem"].partition(":")[0]) for one in result["violations"]}


@asynccontextmanager
async def a_server_with(certificate: trustme.LeafCert) -> AsyncIterator[int]:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    certificate.configure_cert(context)
    server = await asyncio.start_server(lambda _, writer: None, "localhost", 0, ssl=context)
    async with server:
        yield server.sockets[0].getsockname()[1]


async def test_a_server_that_is_away_fails_the_step_and_shows_no_password(
    tmp_path: Path, store: RecordStore
) -> None:
    settings = load_settings(
        {
            "ORCHESTRATOR_DATA_DIR": str(tmp_path),
            "DATABASE_URL": "postgresql://shop:geheim@127.0.0.1:1/shop",
        }
    )

    with pytest.raises(DatabaseFailed) as failure:
        await security.check_permissions(settings, store)

    assert "shop at 127.0.0.1:1 could not be reached" in str(failure.value)
    assert "geheim" not in str(failure.value)


# --- a service of advisories ----------------------------------------------------------------------


def osv(*advisories: Mapping[str, object]) -> Answers:
    """Answers as OSV's API does: a page names one advisory."""

    def answers(asked: Asked) -> Reply:
        if asked.method == "GET":
            id = asked.path.removeprefix("/v1/vulns/")
            return Reply(content=next(one for one in advisories if one["id"] == id))
        return Reply(content={"results": [_page(query) for query in asked.json["queries"]]})

    def _page(query: JsonObject) -> JsonObject:
        page = int(query.get("page_token", "0"))
        if (query["package"]["name"], query["version"]) != ("jinja2", "2.10"):
            return {}
        following = {"next_page_token": str(page + 1)} if page + 1 < len(advisories) else {}
        return {"vulns": [{"id": advisories[page]["id"]}], **following}

    return answers


def with_service(folder: Path, url: str, **changes: object) -> SecurityAudit:
    (folder / "requirements.lock").write_text(LOCK)
    named = {"LOCK_FILES": folder / "requirements.lock", "ADVISORIES_URL": url, **changes}
    return settings_of(folder, **named).operations.security_audit


async def test_a_service_is_asked_about_each_package_page_by_page(tmp_path: Path) -> None:
    with web_service(osv(SANDBOX_ESCAPE, THE_SAME)) as service:
        result = await security.scan(with_service(tmp_path, f"{service.url}/"))

    assert ["GHSA-462w-v97r-4m45 (CVE-2019-10906): Jinja2 sandbox escape"] == [
        one["problem"] for one in result["vulnerabilities"]
    ]
    assert (2, 2, 1) == (
        result["packagesChecked"],
        result["advisoriesRead"],
        result["packagesUnchecked"],
    )
    first = service.asked[0].json["queries"]
    assert [
        {"package": {"name": "jinja2", "ecosystem": "PyPI"}, "version": "2.10"},
        {"package": {"name": "markup-safe", "ecosystem": "PyPI"}, "version": "3.0.4"},
    ] == first
    assert [2, 1] == [len(one.json["queries"]) for one in service.asked if one.method == "POST"]


async def test_what_file_and_service_both_have_is_one_finding(tmp_path: Path) -> None:
    with web_service(osv(THE_SAME)) as service:
        place = planted(tmp_path, SANDBOX_ESCAPE)
        result = await security.scan(with_service(tmp_path, service.url, ADVISORIES=place))

    assert (1, 2) == (result["vulnerabilitiesFound"], result["advisoriesRead"])


async def test_a_service_that_knows_of_nothing_is_a_complete_scan(tmp_path: Path) -> None:
    with web_service(osv()) as service:
        settings = with_service(tmp_path, service.url)
        (tmp_path / "requirements.lock").write_text("shop==1.0\n")
        result = await security.scan(settings)

    assert (0, True, None) == (
        result["vulnerabilitiesFound"],
        result["scanComplete"],
        result["newestAdvisory"],
    )


@pytest.mark.parametrize(
    ("reply", "reason"),
    [
        (Reply(status=503), "the service of advisories answered 503"),
        (Reply(content={"results": []}), "something else than OSV's API"),
        (Reply(content=b"<html>"), "something else than OSV's API"),
        (Reply(content=b" " * 9_000_000), "more than 8388608 bytes"),
        (
            Reply(content={"results": [{"next_page_token": "x"}, {"next_page_token": "x"}]}),
            "more than 20 pages",
        ),
    ],
)
async def test_a_service_that_does_not_answer_as_it_should_fails_the_step(
    tmp_path: Path, reply: Reply, reason: str
) -> None:
    with (
        web_service(lambda asked: reply) as service,
        pytest.raises(ServiceFailed, match=reason),
    ):
        await security.scan(with_service(tmp_path, service.url))


# --- refused requests, and the report -------------------------------------------------------------


async def test_who_was_refused_too_often_within_a_day_is_suspicious(
    tmp_path: Path, store: RecordStore
) -> None:
    await enter_in_directory(store, A_TENANT)
    now, refused = utc_now(), {"result": "refused"}
    for _ in range(3):
        await store.create(A_TENANT, an_audit_entry(**refused, actor="mallory"))
        await store.create(A_TENANT, an_audit_entry(**refused, actor="ann", service="bot"))
    await store.create(A_TENANT, an_audit_entry(**refused, actor="ben"))
    await store.create(A_TENANT, an_audit_entry(actor="ben"))
    long_ago = an_audit_entry(**refused, actor="ben", created_at=now - timedelta(days=2))
    await store.create(A_TENANT, long_ago)
    settings = settings_of(tmp_path, REFUSALS_MAX=2).operations.security_audit

    result = await security.review(settings, store)

    assert (7, 2, 2) == (
        result["requestsRefused"],
        result["suspiciousActivity"],
        result["logsReviewed"],
    )
    assert {
        f"mallory (user-token) of tenant {A_TENANT}",
        f"bot (user-token) of tenant {A_TENANT}",
    } == {found["subject"] for found in result["suspicious"]}
    assert "3 refused requests within a day" == result["suspicious"][0]["problem"]


async def test_an_address_with_too_many_failed_logins_is_suspicious(
    tmp_path: Path, store: RecordStore
) -> None:
    logins = FailedLogins()
    for address, times in (("203.0.113.7", 3), ("198.51.100.2", 2)):
        for _ in range(times):
            logins.count(address, "invalid")
        await logins.write(store)
    settings = settings_of(tmp_path, FAILED_LOGINS_MAX=2, REFUSALS_MAX=1).operations.security_audit

    result = await security.review(settings, store)

    assert (5, 0) == (result["loginsFailed"], result["requestsRefused"])
    (suspicious,) = result["suspicious"]
    assert ("203.0.113.7", "3 failed logins within a day") == (
        suspicious["subject"],
        suspicious["problem"],
    )


async def test_the_report_is_stored_and_its_page_shows_texts_as_they_are(
    tmp_path: Path, store: RecordStore
) -> None:
    evil = SANDBOX_ESCAPE | {"summary": "<b>bold</b> | [a](http://evil.example)"}
    advisories = planted(tmp_path, evil)
    found = await scanned(tmp_path, advisories)
    settings = settings_of(tmp_path, ADVISORIES=advisories)
    found |= await security.check_permissions(settings, store)
    found |= await security.review(settings.operations.security_audit, store)

    report = security.report_of(found, settings)
    result = await security.store_report(report, settings)

    assert {"vulnerabilities": 1, "violations": 0, "suspicious": 0} == result["summary"]
    assert ("critical", True) == (result["worst"], result["reportGenerated"])
    stored = tmp_path / "data" / "security-audits" / result["storedAs"]
    assert report == msgspec.json.decode(stored.read_bytes(), type=security.Report)
    page = page_of(report)
    assert "## Known vulnerabilities: 1" in page
    assert "The scan is incomplete" in page
    assert "<b>" not in page
    assert r"\[a\]\(http\:\/\/evil\.example\)" in page


async def test_a_scan_that_was_skipped_is_no_scan_without_findings(
    tmp_path: Path, store: RecordStore
) -> None:
    settings = settings_of(tmp_path)
    found: JsonObject = {"vulnerabilities": "of the trigger", "vulnerabilitiesFound": 0}
    found |= await security.check_permissions(settings, store)
    found |= await security.review(settings.operations.security_audit, store)

    report = security.report_of(found, settings)

    assert report.summary.vulnerabilities is None
    assert "Packages were not scanned" in page_of(report)


NOW = datetime(2026, 11, 29, 3, tzinfo=UTC)


@pytest.mark.parametrize(
    ("limits", "going"),
    [
        ({}, []),
        ({"REPORTS_KEPT_DAYS": 2}, [3, 4]),
        ({"REPORTS_KEPT": 3}, [3, 4]),
        ({"REPORTS_KEPT_DAYS": 3, "REPORTS_KEPT": 2}, [2, 3, 4]),
        ({"REPORTS_KEPT_DAYS": 0.5, "REPORTS_KEPT": 1}, [1, 2, 3, 4]),
    ],
)
def test_old_reports_go_oldest_first_and_nothing_else_does(
    tmp_path: Path, limits: dict[str, object], going: list[int]
) -> None:
    reports = [f"{NOW - timedelta(days=age):%Y-%m-%dT%H%M%SZ}.json" for age in range(5)]
    others = ["notes.json", "2020-01-01.json", "old/2020-01-01T030000Z.json"]
    part = settings_of(tmp_path, **limits).operations.security_audit

    assert [reports[age] for age in reversed(going)] == expired([*others, *reports], part, NOW)


def test_the_last_report_stays_however_old_it_is(tmp_path: Path) -> None:
    part = settings_of(tmp_path, REPORTS_KEPT_DAYS=1).operations.security_audit

    assert ["2020-01-01T030000Z.json"] == expired(
        ["2020-01-01T030000Z.json", "2020-01-02T030000Z.json"], part, NOW
    )


@pytest.mark.parametrize("place", ["reports", "memory://audits"])
async def test_with_a_new_report_the_old_ones_are_deleted(
    tmp_path: Path, store: RecordStore, place: str
) -> None:
    settings = settings_of(tmp_path, REPORTS_KEPT=2, REPORTS_URL=place)
    found = await security.check_permissions(settings, store)
    found |= await security.review(settings.operations.security_audit, store)
    stored = []
    for day in range(3):
        report = security.report_of(found, settings)
        report = msgspec.structs.replace(report, created_at=NOW + timedelta(days=day))
        stored.append(await security.store_report(report, settings))

    assert [0, 0, 1] == [one["reportsDeleted"] for one in stored]
    files = open_files(place, "audit reports", settings.data_dir, setting="")
    assert [one["storedAs"] for one in stored[1:]] == await files.keys("")
