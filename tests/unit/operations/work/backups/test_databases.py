"""The databases that the settings name, and what is refused before anything is tried."""

from inspect import signature

import pytest
from asyncpg.connect_utils import _parse_connect_dsn_and_args

from blocks.observability.redaction import secrets_of
from blocks.operations.backups import place_of
from blocks.operations.work import NotConfigured
from blocks.settings import BadSetting, load_settings
from blocks.settings.operations.databases import Database, databases_of

URL = "postgresql://backup:p%40ss%2Fword@db.internal:5433/molochaindb?sslmode=require"


def databases(**environment: str) -> tuple[Database, ...]:
    return databases_of(load_settings(environment).operations.database_backup)


def test_a_url_names_a_database_with_what_reaches_it() -> None:
    [database] = databases(DATABASE_URL=URL)

    assert (
        Database(
            name="molochaindb",
            host="db.internal",
            port=5433,
            user="backup",
            password="p@ss/word",
            options={"sslmode": "require"},
        )
        == database
    )


def test_names_are_databases_of_that_server_and_urls_are_of_others() -> None:
    named = "molochaindb, mololinkdb,postgresql://cms:secret@cms-db/cmsdb"

    found = databases(DATABASE_URL=URL, BACKUP_DATABASES=named)

    assert [
        "molochaindb at db.internal:5433",
        "mololinkdb at db.internal:5433",
        "cmsdb at cms-db:5432",
    ] == [str(database) for database in found]


@pytest.mark.parametrize(
    ("url", "host", "port"),
    [
        (URL, "db.internal", 5433),
        ("postgresql://u:p%3F%23%25@[2001:db8::1]/shop", "2001:db8::1", 5432),
        ("postgres://u@/shop?host=/var/run/postgresql", "/var/run/postgresql", 5432),
    ],
)
def test_the_driver_and_the_programs_are_given_the_same_server(
    url: str, host: str, port: int
) -> None:
    [database] = databases(DATABASE_URL=url)
    nothing_else = dict.fromkeys(signature(_parse_connect_dsn_and_args).parameters)
    addresses, parameters = _parse_connect_dsn_and_args(**nothing_else | {"dsn": database.url})

    socket = f"{host}/.s.PGSQL.{port}"
    assert [socket if host.startswith("/") else (host, port)] == addresses
    assert (database.user, database.password, database.name) == (
        parameters.user,
        parameters.password or "",
        parameters.database,
    )


@pytest.mark.parametrize(
    ("environment", "part"),
    [
        ({"DATABASE_URL": "mysql://u:secret-word@h/db"}, "(DATABASE_URL) is no URL of PostgreSQL"),
        ({"DATABASE_URL": "postgresql://u:secret-word@h/"}, "(DATABASE_URL) names a database by"),
        ({"DATABASE_URL": "postgresql:///db"}, "(DATABASE_URL) names no host"),
        ({"DATABASE_URL": "postgresql://h/db"}, "(DATABASE_URL) names no user"),
        ({"DATABASE_URL": "postgresql://u:secret-word@h:x/db"}, "cannot be read as a URL"),
        ({"DATABASE_URL": "postgresql://u@h/db?options=-c"}, "an option that is not known"),
        ({"DATABASE_URL": "postgresql://u@h/..%2Fdb"}, "(DATABASE_URL) names a database by"),
        ({"BACKUP_DATABASES": "shop"}, "no server is set: set"),
        ({"DATABASE_URL": URL, "BACKUP_DATABASES": "a,a"}, "(BACKUP_DATABASES) names a twice"),
        ({"DATABASE_URL": URL, "BACKUP_DATABASES": "../a"}, "(BACKUP_DATABASES) names a database"),
        ({"BACKUP_SCRATCH_URL": "h/db"}, "(BACKUP_SCRATCH_URL) is no URL of PostgreSQL"),
    ],
)
def test_what_cannot_be_used_is_refused_in_a_line_without_a_password(
    environment: dict[str, str], part: str
) -> None:
    with pytest.raises(BadSetting) as refusal:
        load_settings(environment)

    assert part in str(refusal.value)
    assert "secret-word" not in str(refusal.value)


def test_every_password_is_a_secret_of_the_logs() -> None:
    named = "a,postgresql://cms:secret-word@cms-db/cmsdb"
    settings = load_settings({"DATABASE_URL": URL, "BACKUP_DATABASES": named})

    assert {"p%40ss%2Fword", "secret-word"} <= {*secrets_of(settings)}
    shown = f"{settings!r} {databases(DATABASE_URL=URL, BACKUP_DATABASES=named)!r}"
    assert "secret-word" not in shown
    assert "p%40ss" not in shown
    assert "p@ss" not in shown


def test_without_a_database_there_is_nothing_to_do_and_the_setting_is_named() -> None:
    with pytest.raises(NotConfigured, match="DATABASE_URL"):
        place_of(load_settings({}))
