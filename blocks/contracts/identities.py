"""Who acts, as it stands on every record: one person has one spelling, and no two kinds of caller
share a name.

A user's id stands as it is; every other kind of caller has a prefix that no user's id may begin
with.
"""

from unicodedata import normalize

KEY, SERVICE, TERMINAL, CLAIMED = "key:", "service:", "cli:", "claimed:"

RESERVED = (KEY, SERVICE, TERMINAL, CLAIMED)
"""An API key, a service's token, a terminal, and a name that was typed where nothing proves it."""

LENGTH_MAX = 200


class NoIdentity(ValueError):
    """This cannot be the id of a user."""


def spelled(identity: str) -> str:
    """The one spelling of this id: no blanks around it, Unicode in NFC, and e-mail addresses in
    lower case.

    Ids without `@` keep their case: platforms hand out ids (ULIDs, base64) that differ in case
    alone.
    """
    trimmed = normalize("NFC", identity).strip()
    return normalize("NFC", trimmed.casefold()) if "@" in trimmed else trimmed


def is_reserved(identity: str) -> bool:
    """Whether it is the name of a key, a service, a terminal or a claim, in any case, or looks like
    one: `ｋey：x` is `key:x` in Unicode's NFKC.
    """
    return normalize("NFKC", spelled(identity)).casefold().startswith(RESERVED)


def user_id(stated: str) -> str:
    """The user's id in its one spelling. Raises `NoIdentity`; the message goes on after the name of
    a field.
    """
    identity = spelled(stated)
    if not identity:
        raise NoIdentity("must not be empty")
    if len(identity) > LENGTH_MAX or not identity.isprintable():
        raise NoIdentity(f"must be at most {LENGTH_MAX} printable characters")
    if is_reserved(identity):
        raise NoIdentity(f"must not begin with {', '.join(RESERVED)}: no user's id does")
    return identity


def claimed(name: str) -> str:
    """What a name that nothing proves is on the record."""
    return f"{CLAIMED}{spelled(name)}"


def is_claim(actor: str) -> bool:
    return actor.startswith(CLAIMED)
