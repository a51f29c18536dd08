"""URLs of the settings: what is wrong with one, in words that show no part of it, for it may hold a password."""

import re
from urllib.parse import SplitResult, urlsplit

from blocks.settings.sections import Settings

_ENCODED = "write @ as %40, # as %23, / as %2F, ? as %3F, : as %3A and % as %25"

_NOT_IN_A_URL = re.compile(r"[\s\x00-\x1f\x7f]")
_LOOSE_PERCENT = re.compile(r"%(?![0-9A-Fa-f]{2})")


def problem_of(settings: Settings) -> str | None:
    """The first setting that is no usable URL, with what to write instead; None: all are."""
    cosmos, rabbitmq = settings.cosmos_db, settings.rabbitmq
    urls = (
        ("rabbitmq.url (RABBITMQ_URL)", rabbitmq.url, ("amqp", "amqps", "sqlite")),
        ("rabbitmq.management_url (RABBITMQ_MANAGEMENT_URL)", rabbitmq.management_url, ("http", "https")),
        ("cosmos_db.endpoint (COSMOS_DB_ENDPOINT)", cosmos.endpoint, ("https", "http", "sqlite")),
        ("prefect.api_url (PREFECT_API_URL)", settings.prefect.api_url, ("http", "https")),
        ("tracing.otlp_endpoint (OTEL_EXPORTER_OTLP_ENDPOINT)", settings.tracing.otlp_endpoint, ("http", "https")),
    )
    for name, url, schemes in urls:
        problem = url_problem(url, schemes) if url or "sqlite" in schemes else None
        if problem:
            return f"setting {name} {problem}"
    return None


def url_problem(url: str, schemes: tuple[str, ...]) -> str | None:
    """What is wrong with the URL, as the end of a sentence that begins with its name."""
    scheme, separator, rest = url.partition(":")
    if not separator or scheme not in schemes:
        return _wrong_scheme(url, schemes)
    if scheme == "sqlite":
        return _problem_of_a_file(rest)
    if not rest.startswith("//"):
        return f"must begin with {scheme}://"
    if _NOT_IN_A_URL.search(url):
        return f"holds a space or a control character; in a password {_ENCODED}"
    if _LOOSE_PERCENT.search(url):
        return f"holds a % that begins no %XX; in a password {_ENCODED}"
    if "#" in url:
        return f"holds a #, which cuts a URL off; in a password {_ENCODED}"
    return _problem_of_the_place(rest)


def _problem_of_the_place(rest: str) -> str | None:
    """`rest` begins with the two slashes."""
    place = re.split(r"[/?]", rest[2:], maxsplit=1)[0]
    if "@" in rest[2 + len(place) :].partition("?")[0]:
        return f"has an @ behind its host; in a password {_ENCODED}"
    if place.count("@") > 1:
        return f"has more than one @; in a password {_ENCODED}"
    if "[" in place.rpartition("@")[0]:
        return "has a [ before its host; in a password write [ as %5B and ] as %5D"
    try:
        split: SplitResult = urlsplit(rest)
        host, port = split.hostname, split.port
    except ValueError:
        return f"has a port that is no number from 1 to 65535, or a host that is none; in a password {_ENCODED}"
    if not host:
        return "names no host"
    return "has port 0; a port is 1 to 65535" if port == 0 else None


def _problem_of_a_file(path: str) -> str | None:
    name = path.removeprefix("//")
    if not name or name.endswith(("/", "/.", "/..")) or name in (".", ".."):
        return "names no file: write sqlite:NAME.db"
    return "holds a NUL character" if "\0" in name else None


def _wrong_scheme(url: str, schemes: tuple[str, ...]) -> str:
    begin = [f"{scheme}:" if scheme == "sqlite" else f"{scheme}://" for scheme in schemes]
    words = f"must begin with {', '.join(begin[:-1])} or {begin[-1]}"
    if url.lower().startswith("accountendpoint="):
        return f"{words}: of a connection string, AccountEndpoint goes here and AccountKey into COSMOS_DB_KEY"
    return words
