"""The databases that the settings name, read from the URLs in them."""

import re
from collections.abc import Iterator, Mapping
from urllib.parse import parse_qsl, quote, unquote, urlencode, urlsplit

import msgspec

from blocks.settings.operations.database_backup import DatabaseBackup

_SCHEMES = ("postgresql", "postgres", "postgresql+asyncpg")
_OPTIONS = ("host", "sslmode", "sslrootcert", "sslcert", "sslkey")
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,62}")
"""It names files and folders, too."""

_URL = "operations.database_backup.database_url (DATABASE_URL)"
_NAMES = "operations.database_backup.databases (BACKUP_DATABASES)"
_SCRATCH = "operations.database_backup.scratch_url (BACKUP_SCRATCH_URL)"

_EXPECTED = "write postgresql://user:password@host:5432/database"


class Database(msgspec.Struct, frozen=True):
    """A database and how it is reached. Its `str` and `repr` show no credential."""

    name: str
    host: str
    port: int
    user: str
    password: str
    options: Mapping[str, str] = {}
    """As libpq calls them: `sslmode`, `sslrootcert`, `sslcert`, `sslkey`."""

    def __str__(self) -> str:
        return f"{self.name} at {self.host}:{self.port}"

    def __repr__(self) -> str:
        return f"Database({self})"

    @property
    def url(self) -> str:
        """Holds the password."""
        who = f"{quote(self.user, safe='')}:{quote(self.password, safe='')}"
        where, options = f"{self.host}:{self.port}", dict(self.options)
        if self.host.startswith("/"):  # the folder of a socket
            where, options = "", {"host": self.host, "port": str(self.port), **options}
        elif ":" in self.host:
            where = f"[{self.host}]:{self.port}"
        return f"postgresql://{who}@{where}/{self.name}?{urlencode(options)}"

    def named(self, name: str) -> "Database":
        """Another database of the same server."""
        return msgspec.structs.replace(self, name=name)


def databases_of(part: DatabaseBackup) -> tuple[Database, ...]:
    """Those to back up, by unique names. Raises `ValueError` with one line that shows no URL."""
    found = tuple(_databases(part))
    names = [database.name for database in found]
    if twice := next((name for name in names if names.count(name) > 1), None):
        raise ValueError(f"setting {_NAMES} names {twice} twice: archives are kept by this name")
    return found


def scratch_server(part: DatabaseBackup) -> Database | None:
    """Where archives of all databases are verified; None: each on its own server.
    Raises as above.
    """
    return database_at(part.scratch_url, _SCRATCH) if part.scratch_url else None


def problem_of(part: DatabaseBackup) -> str | None:
    """What is wrong and what to do, in one line; None if nothing is."""
    try:
        databases_of(part)
        scratch_server(part)
    except ValueError as problem:
        return str(problem)
    return None


def _databases(part: DatabaseBackup) -> Iterator[Database]:
    words = [word.strip() for word in part.databases.split(",") if word.strip()]
    server = database_at(part.database_url, _URL) if part.database_url else None
    if server and not words:
        yield server
    for word in words:
        if "://" in word:
            yield database_at(word, _NAMES)
        elif server is None:
            raise ValueError(f"setting {_NAMES} names databases, and no server is set: set {_URL}")
        else:
            yield server.named(_checked_name(word, _NAMES))


def url_problem_of(url: str, setting: str) -> str | None:
    """What is wrong with the URL of one database, in one line; None: nothing, or it is empty."""
    try:
        if url:
            database_at(url, setting)
    except ValueError as problem:
        return str(problem)
    return None


def database_at(url: str, setting: str) -> Database:
    """The database of this URL. Raises `ValueError` with one line that names the setting and shows
    no URL.
    """
    try:
        parts = urlsplit(url)
        port, options = parts.port or 5432, dict(parse_qsl(parts.query))
    except ValueError:
        raise ValueError(f"setting {setting} cannot be read as a URL: {_EXPECTED}") from None
    if parts.scheme not in _SCHEMES:
        raise ValueError(f"setting {setting} is no URL of PostgreSQL: {_EXPECTED}")
    if any(option not in _OPTIONS for option in options):
        raise ValueError(
            f"setting {setting} has an option that is not known here: use {', '.join(_OPTIONS)}"
        )
    host = options.pop("host", parts.hostname or "")
    if not host or not parts.username:
        missing = "user" if host else "host"
        raise ValueError(f"setting {setting} names no {missing}: {_EXPECTED}")
    return Database(
        name=_checked_name(unquote(parts.path.lstrip("/")), setting),
        host=host,
        port=port,
        user=unquote(parts.username),
        password=unquote(parts.password or ""),
        options=options,
    )


def _checked_name(name: str, setting: str) -> str:
    if _NAME.fullmatch(name):
        return name
    raise ValueError(
        f"setting {setting} names a database by other characters than letters, digits, dots, "
        "dashes and underscores, or none"
    )
