"""Secrets do not belong in logs: what looks like one, and every known one, is masked.

Purpose: `redacted` for any text that leaves the process for people to read; `masked_url` for a URL
by itself, `origin` for one whose path may be a secret, too; `keep_secret` for values known exactly.
Pitfalls: it masks too much rather than too little. Code must not rely on it: what is secret is not
logged in the first place.
"""

import re
from collections.abc import Iterable, Mapping
from urllib.parse import unquote, urlsplit

import msgspec

MASK = "***"

_LENGTH_MIN = 8
"""Shorter values are words, too; masking them everywhere would make logs unreadable."""

_NAMES_A_SECRET = re.compile(r"(password|passwd|secret|token|key|auth_string)$", re.IGNORECASE)

_NAME = (
    r"(?:[\w-]{0,40}(?:password|passwd|secret|api[_-]?key|account[_-]?key|access[_-]?key|shared[_-]?access[_-]?signature)"
    r"|(?:access|refresh|id|bearer)?[_-]?token|pwd|sig|signature)"
)
_NAME_HINTS = ("password", "passwd", "secret", "key", "token", "pwd", "sig")
_HEADER = r"(?:proxy-)?authorization|(?:set-)?cookie|x-api-key|x-ms-[\w-]*(?:token|key)"


class Rule(msgspec.Struct, frozen=True):
    """What is put in place of what; only texts that hold one of the hints, in any case, are
    searched for it.
    """

    hints: tuple[str, ...]
    pattern: re.Pattern[str]
    replacement: str


def _rule(hints: str | tuple[str, ...], pattern: str, replacement: str) -> Rule:
    return Rule(
        (hints,) if isinstance(hints, str) else hints, re.compile(pattern, re.I | re.S), replacement
    )


_RULES = (
    # A whole key file.
    _rule(
        "private key",
        r"-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END [A-Z ]*PRIVATE KEY-----|\Z)",
        MASK,
    ),
    # As `masked_url`, for a URL that ends at a blank or a quote.
    _rule("@", r"(\w://[^\s:/\"'<>]*):[^\s\"'<>]*@", rf"\1:{MASK}@"),
    # A header with its value, as text, in a mapping or in a list of pairs.
    _rule(
        ("authorization", "cookie", "x-api-key", "x-ms-"),
        rf"\b({_HEADER})(['\"]?\s*[:=,]\s*(?:b(?=['\"]))?['\"]?)(?:(?:bearer|basic|digest)\s+)?[^\s'\",]+",
        rf"\1\2{MASK}",
    ),
    _rule("bearer", r"\b(bearer)\s+[\w.~+/=-]{8,}", rf"\1 {MASK}"),
    _rule("basic", r"\b(basic)\s+[a-z0-9+/]{16,}={0,2}", rf"\1 {MASK}"),
    # A JSON web token, whole or cut off.
    _rule("eyj", r"\beyJ[\w-]{8,}\.[\w-]+(?:\.[\w-]*)?", MASK),
    # Our API keys (the prefix identifies the key), links to approvals, secrets of webhooks.
    _rule("wfo_", r"\b(wfo_[0-9a-f]{12}_)[\w-]+", rf"\1{MASK}"),
    _rule("v1.", r"\bv1\.[\w-]{16,}\.[\w-]{8,}", f"v1.{MASK}"),
    _rule("whsec_", r"\bwhsec_[\w+/=-]+", f"whsec_{MASK}"),
    # An account key of Azure: 64 bytes in base64.
    _rule("==", r"(?<![\w+/])[a-z0-9+/]{86}==", MASK),
    # name=value, name='value' and "name": "value".
    _rule(_NAME_HINTS, rf"\b({_NAME}=)[^\s&;,'\")]+", rf"\1{MASK}"),
    _rule(_NAME_HINTS, rf"\b({_NAME}['\"]?\s*[:=]\s*b?)(['\"]).*?\2", rf"\1\2{MASK}\2"),
)

# scheme://user:password@host; the last @ counts, because a password may hold one, and all else too.
_PASSWORD_IN_URL = re.compile(r"(\w://[^:/]*):(.*)@", re.S)
_BETWEEN_URLS = re.compile(r"(,\s*)(?=\w+://)")

_secrets: re.Pattern[str] | None = None
_kept: set[str] = set()


def redacted(text: str) -> str:
    """The same text without secrets."""
    if _secrets:
        text = _secrets.sub(MASK, text)
    lowered = text.lower()
    for rule in _RULES:
        if any(hint in lowered for hint in rule.hints):
            text = rule.pattern.sub(rule.replacement, text)
    return text


def masked_url(value: str) -> str:
    """The URL without its password and what else is secret in it. Of several, separated by commas,
    each.
    """
    parts = _BETWEEN_URLS.split(value)
    return "".join(redacted(_PASSWORD_IN_URL.sub(rf"\1:{MASK}@", part)) for part in parts)


def origin(url: str) -> str:
    """Scheme, host and port of a URL which whoever knows it can call, as a webhook's."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"


def keep_secret(values: Iterable[str]) -> None:
    """From now on these values are masked wherever they stand, unless they are short."""
    global _secrets
    for value in values:
        _kept.update(form for form in (value, unquote(value)) if len(form) >= _LENGTH_MIN)
    longest_first = sorted(_kept, key=len, reverse=True)
    _secrets = re.compile("|".join(map(re.escape, longest_first))) if longest_first else None


def secrets_of(settings: msgspec.Struct) -> list[str]:
    """The values of all settings that are named like a secret, and the passwords in those that are
    URLs, or several separated by commas.
    """
    found: list[str] = []
    for name in settings.__struct_fields__:
        value = getattr(settings, name)
        if isinstance(value, msgspec.Struct):
            found += secrets_of(value)
        elif isinstance(value, str):
            found += _secrets_in(name, value)
    return found


def secrets_in_environment(environment: Mapping[str, str]) -> list[str]:
    """What other programs' variables hold, Prefect's among them."""
    return [secret for name, value in environment.items() for secret in _secrets_in(name, value)]


def names_a_secret(name: str) -> bool:
    """Whether a setting or a variable of this name holds a secret."""
    return bool(_NAMES_A_SECRET.search(name))


def _secrets_in(name: str, value: str) -> list[str]:
    if names_a_secret(name):
        return [value] if value else []
    if "://" in value and "@" in value:
        found = map(_PASSWORD_IN_URL.search, _BETWEEN_URLS.split(value))
        return [one[2] for one in found if one and one[2]]
    return []
