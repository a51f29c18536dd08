"""Which settings of `auth` go together, and what they come to."""

from urllib.parse import urlsplit

from blocks.contracts.roles import ROLES
from blocks.settings.sections import Auth

JWT, API_KEY, GATEWAY = "jwt", "api-key", "gateway"
MODES = (JWT, API_KEY, GATEWAY)

# Never mixed: with both kinds allowed, a public key could be used as a shared secret.
WITH_SECRET = ("HS256", "HS384", "HS512")
WITH_PUBLIC_KEYS = (
    "RS256",
    "RS384",
    "RS512",
    "PS256",
    "PS384",
    "PS512",
    "ES256",
    "ES384",
    "ES512",
    "EdDSA",
)

SECRET_BYTES_MIN = 32
"""Of HS256, RFC 7518 demands as much; what is shorter can be found out from one token."""

_LOOPBACK = ("localhost", "127.0.0.1", "::1")


def modes_of(auth: Auth) -> frozenset[str]:
    return frozenset(words(auth.mode))


def algorithms_of(auth: Auth) -> tuple[str, ...]:
    """The only algorithms a token may be signed with."""
    return words(auth.jwt_algorithms) or (("HS256",) if auth.jwt_secret else ("RS256", "ES256"))


def takes_tokens(auth: Auth) -> bool:
    """Whether there is anything to check a token with."""
    return JWT in modes_of(auth) and bool(auth.jwt_secret or auth.jwt_jwks)


def words(setting: str) -> tuple[str, ...]:
    """What a setting lists, separated by commas."""
    return tuple(word.strip() for word in setting.split(",") if word.strip())


def announce(auth: Auth) -> str:
    """How callers show who they are, in one line."""
    if GATEWAY in modes_of(auth):
        return (
            "AUTH_MODE=gateway: callers are NOT authenticated here. Whoever reaches this port is "
            "whoever the headers X-Tenant-ID, X-User-ID and X-User-Roles say: only the gateway "
            f"that sets them may reach it{_given_up(auth)}"
        )
    tokens = (
        f"tokens of {auth.jwt_issuer} ({', '.join(algorithms_of(auth))})"
        if takes_tokens(auth)
        else ""
    )
    keys = "API keys" if API_KEY in modes_of(auth) else ""
    return f"Callers show {' or '.join(kind for kind in (tokens, keys) if kind)}"


def _given_up(auth: Auth) -> str:
    """What follows from the settings for a caller of whom the gateway names no user."""
    if not auth.trust_decided_by:
        return ""
    return (
        ". AUTH_TRUST_DECIDED_BY=true: while X-User-ID is missing, whoever sends a tenant decides "
        "in ANY name that decidedBy states, also where a policy asks for certain people or several"
    )


def problem_of(auth: Auth) -> str | None:
    """What is wrong and what to do, in one line; None if nothing is."""
    return (
        _mode_problem(auth)
        or _roles_problem(auth)
        or _user_problem(auth)
        or _key_problem(auth)
        or _algorithm_problem(auth)
    )


def _mode_problem(auth: Auth) -> str | None:
    stated = words(auth.mode)
    if not stated or not set(stated) <= set(MODES):
        return (
            f"setting auth.mode (AUTH_MODE) is {auth.mode!r}: use {', '.join(MODES[:2])} or "
            f"both, or {GATEWAY}"
        )
    if GATEWAY in stated and len(set(stated)) > 1:
        return (
            f"setting auth.mode (AUTH_MODE) is {auth.mode!r}: {GATEWAY} believes the headers of "
            "every request and goes with no other mode"
        )
    return None


def _roles_problem(auth: Auth) -> str | None:
    unknown = [role for role in words(auth.default_roles) if role not in (*ROLES, "none")]
    if unknown:
        known = ", ".join((*ROLES, "none"))
        return (
            f"setting auth.default_roles (AUTH_DEFAULT_ROLES) names {', '.join(unknown)}: use "
            f"{known}"
        )
    return None


def _user_problem(auth: Auth) -> str | None:
    if auth.trust_decided_by and GATEWAY not in modes_of(auth):
        return (
            "setting auth.trust_decided_by (AUTH_TRUST_DECIDED_BY) is true, and auth.mode "
            f"(AUTH_MODE) is {auth.mode!r}: it goes with {GATEWAY} alone, as every other caller "
            "shows who it is"
        )
    if not words(auth.jwt_user_claims):
        return (
            "setting auth.jwt_user_claims (JWT_USER_CLAIMS) names no claim: use e.g. sub,userId,id"
        )
    return None


def _key_problem(auth: Auth) -> str | None:
    if auth.jwt_secret and auth.jwt_jwks:
        return (
            "settings auth.jwt_secret (JWT_SECRET) and auth.jwt_jwks (JWT_JWKS) are both set: "
            "set one of them"
        )
    if 0 < len(auth.jwt_secret.encode()) < SECRET_BYTES_MIN:
        return (
            f"setting auth.jwt_secret (JWT_SECRET) is too short: use {SECRET_BYTES_MIN} or more "
            "random bytes"
        )
    if modes_of(auth) == {JWT} and not takes_tokens(auth):
        return (
            "setting auth.mode (AUTH_MODE) is 'jwt': set JWT_SECRET or JWT_JWKS to check tokens "
            "with"
        )
    parts = urlsplit(auth.jwt_jwks)
    if parts.scheme == "http" and parts.hostname not in _LOOPBACK:
        return "setting auth.jwt_jwks (JWT_JWKS) is fetched without TLS: use https:// or a file"
    return None


def _algorithm_problem(auth: Auth) -> str | None:
    allowed = WITH_PUBLIC_KEYS if auth.jwt_jwks else WITH_SECRET
    wrong = [name for name in words(auth.jwt_algorithms) if name not in allowed]
    if wrong:
        kind = "public keys (JWT_JWKS)" if auth.jwt_jwks else "a shared secret (JWT_SECRET)"
        return (
            f"setting auth.jwt_algorithms (JWT_ALGORITHMS) names {', '.join(wrong)}: "
            f"with {kind} there are {', '.join(allowed)}"
        )
    return None
