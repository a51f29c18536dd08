"""Which settings of authentication go together, and what the start-up line says of them."""

import pytest

from blocks.settings import Auth, BadSetting, load_settings
from blocks.settings.auth import algorithms_of, announce

SECRET = "s" * 32


def auth(**environment: str) -> Auth:
    return load_settings(environment).auth


@pytest.mark.parametrize(
    ("environment", "words"),
    [
        ({"AUTH_MODE": "none"}, "AUTH_MODE) is 'none': use jwt, api-key or both, or gateway"),
        ({"AUTH_MODE": ","}, "AUTH_MODE) is ','"),
        (
            {"AUTH_MODE": "jwt,gateway", "JWT_SECRET": SECRET},
            "gateway believes the headers of every request",
        ),
        ({"AUTH_MODE": "api-key,gateway"}, "goes with no other mode"),
        ({"AUTH_MODE": "jwt"}, "set JWT_SECRET or JWT_JWKS"),
        ({"JWT_SECRET": SECRET, "JWT_JWKS": "keys.json"}, "are both set: set one of them"),
        ({"JWT_SECRET": "s" * 31}, "too short: use 32 or more random bytes"),
        ({"JWT_JWKS": "http://auth.example/keys"}, "without TLS"),
        (
            {"JWT_SECRET": SECRET, "JWT_ALGORITHMS": "HS256,RS256"},
            "names RS256: with a shared secret",
        ),
        (
            {"JWT_JWKS": "keys.json", "JWT_ALGORITHMS": "RS256,HS256"},
            "names HS256: with public keys",
        ),
        ({"JWT_JWKS": "keys.json", "JWT_ALGORITHMS": "none"}, "names none: with public keys"),
        ({"JWT_SECRET": SECRET, "JWT_ALGORITHMS": "none"}, "names none: with a shared secret"),
        (
            {"AUTH_TRUST_DECIDED_BY": "true"},
            "AUTH_TRUST_DECIDED_BY) is true, and auth.mode (AUTH_MODE) is 'jwt,api-key'",
        ),
        ({"JWT_USER_CLAIMS": " , "}, "JWT_USER_CLAIMS) names no claim"),
        (
            {"AUTH_DEFAULT_ROLES": "viewer,boss"},
            "names boss: use viewer, operator, approver, admin, none",
        ),
    ],
)
def test_what_does_not_go_together_is_refused_by_name_without_the_secret(
    environment: dict[str, str], words: str
) -> None:
    with pytest.raises(BadSetting) as refused:
        load_settings(environment)

    assert words in str(refused.value)
    assert "ssss" not in str(refused.value)


def test_a_laptop_needs_no_setting_at_all() -> None:
    assert "Callers show API keys" == announce(auth())


@pytest.mark.parametrize(
    ("environment", "announced"),
    [
        ({"JWT_SECRET": SECRET}, "Callers show tokens of coder (HS256) or API keys"),
        (
            {"JWT_JWKS": "keys.json", "AUTH_MODE": "jwt"},
            "Callers show tokens of coder (RS256, ES256)",
        ),
        (
            {"JWT_JWKS": "keys.json", "JWT_ALGORITHMS": "ES384"},
            "Callers show tokens of coder (ES384) or API keys",
        ),
    ],
)
def test_the_start_says_how_callers_show_who_they_are(
    environment: dict[str, str], announced: str
) -> None:
    assert announced == announce(auth(**environment))


def test_the_start_warns_when_headers_are_believed() -> None:
    assert "callers are NOT authenticated" in announce(auth(AUTH_MODE="gateway"))
    assert "in ANY name" not in announce(auth(AUTH_MODE="gateway"))


def test_the_start_states_what_is_given_up_when_bodies_are_trusted() -> None:
    announced = announce(auth(AUTH_MODE="gateway", AUTH_TRUST_DECIDED_BY="true"))

    assert "decides in ANY name that decidedBy states" in announced


def test_the_two_kinds_of_algorithms_are_never_mixed() -> None:
    assert ("HS256",) == algorithms_of(auth(JWT_SECRET=SECRET))
    assert ("RS256", "ES256") == algorithms_of(auth(JWT_JWKS="https://auth.example/keys"))


def test_the_secret_is_in_no_text_that_the_settings_become() -> None:
    settings = load_settings({"JWT_SECRET": "canary" * 6, "METRICS_BEARER_TOKEN": "canary"})

    assert "canary" not in f"{settings!r} {settings.auth} {settings.metrics}"
