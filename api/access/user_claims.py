"""Which claims of a token name its user: by which id, and by which other names.

Only tokens whose signature was verified come here. Even so, an e-mail address counts only if it is
one, and unless the token states that its user never confirmed it (OpenID Connect Core, 5.1:
`email_verified`): otherwise whoever registers another person's address would decide as that person.
"""

from collections.abc import Mapping
from typing import Any, Self

import msgspec

from blocks.contracts.identities import NoIdentity, user_id
from blocks.settings import Auth
from blocks.settings.auth import words

EMAIL, EMAIL_VERIFIED = "email", "email_verified"

Stated = Mapping[str, Any]


class UserClaims(msgspec.Struct, frozen=True):
    """The names of claims, in order."""

    ids: tuple[str, ...]
    aliases: tuple[str, ...] = ()

    @classmethod
    def of(cls, auth: Auth) -> Self:
        return cls(words(auth.jwt_user_claims), words(auth.jwt_user_aliases))

    def user_in(self, stated: Stated) -> str:
        """The user's id: the first of the claims that is there, whatever is in later ones; empty if
        none is.

        Raises `ValueError` if it is no text.
        """
        names = (_text(stated, claim) for claim in self.ids)
        return next(filter(None, names), "")

    def other_names_in(self, stated: Stated) -> frozenset[str]:
        """What else the user goes by, in the one spelling of ids; what can be no user's id is
        passed over.
        """
        names = (_spelled(stated.get(claim)) for claim in self.aliases if _counts(stated, claim))
        return frozenset(name for name in names if name)


def _text(stated: Stated, claim: str) -> str:
    value = stated.get(claim)
    if not isinstance(value, str | None):
        raise ValueError(f"the claim {claim} is no text")
    return value if value and _counts(stated, claim) else ""


def _counts(stated: Stated, claim: str) -> bool:
    if claim != EMAIL:
        return True
    # Some issuers write the flag as text.
    verified = str(stated.get(EMAIL_VERIFIED, True)).lower() == "true"
    return verified and "@" in str(stated.get(EMAIL, ""))


def _spelled(value: object) -> str | None:
    try:
        return user_id(value) if isinstance(value, str) else None
    except NoIdentity:
        return None
