"""Which tokens are believed, and what they say; each refusal over HTTP, as a caller meets it."""

import asyncio
import base64
import hmac
import json
from collections.abc import AsyncIterator, Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from api.access.errors import CredentialInvalid
from api.access.identity import Identity
from api.access.key_sets import KeySet, usable_keys
from api.access.tokens import identity_of
from api.access.user_claims import UserClaims
from blocks.ports import Unavailable
from blocks.settings import load_settings
from tests.support.api.api_client import Api, an_api
from tests.support.api.credentials import SECRET, a_service_token, a_token, as_user
from tests.support.factories import A_TENANT, now

EXECUTIONS = "/api/v1/executions"
USERS = UserClaims.of(load_settings({}).auth)


@pytest.fixture(scope="module")
async def api(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Api]:
    async with an_api(tmp_path_factory.mktemp("tokens"), JWT_AUDIENCE="orchestrator") as api:
        yield api


def token(**claims: Any) -> str:
    return a_token("viewer", **{"aud": "orchestrator", **claims})


def encoded(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()


async def refusal(api: Api, token: str) -> str:
    response = await api.client.get(EXECUTIONS, headers=as_user(token))
    assert 401 == response.status_code, response.text
    return str(response.json()["error"]["message"])


async def test_a_token_of_the_platform_is_believed(api: Api) -> None:
    assert 200 == (await api.client.get(EXECUTIONS, headers=as_user(token()))).status_code
    several = token(aud=["web", "orchestrator"])
    assert 200 == (await api.client.get(EXECUTIONS, headers=as_user(several))).status_code


@pytest.mark.parametrize(
    "bad",
    [
        token(aud="another-service"),
        token(aud=None),
        token(iss="another-issuer"),
        token(iss=None),
        token(exp=None),
        token(nbf=now() + timedelta(hours=1)),
        token(iat=now() + timedelta(hours=1)),
        token(type="refresh"),
        token(type=None),
        token(tenantId=None),
        token(tenantId=""),
        token(tenantId="acme"),
        token(tenantId=7),
        token(sub=None),
        token(sub=""),
        token(sub="a\nb"),
        token(sub=7),
        token(roles={"admin": True}),
        a_service_token("viewer", aud="orchestrator", tenantId=None),
        a_service_token("viewer", aud="orchestrator", type="refresh"),
        token(secret="another secret of more than thirty-two bytes"),
        token() + "x",
        token()[:-4],
        "nonsense",
        "a.b.c",
        encoded(b"[" * 20_000) + ".e30.AAAA",
        encoded(b"7") + ".e30.AAAA",
        encoded(b'{"alg": ["HS256"]}') + ".e30.AAAA",
        "ä.ö.ü",
    ],
)
async def test_a_token_that_is_wrong_in_one_thing_is_refused_without_saying_in_which(
    api: Api, bad: str
) -> None:
    response = await api.client.get(
        EXECUTIONS,
        headers=[
            (b"Authorization", b"Bearer " + bad.encode()),
            (b"X-Tenant-ID", A_TENANT.encode()),
        ],
    )

    assert (401, "The credential is not valid") == (
        response.status_code,
        response.json()["error"]["message"],
    )


async def test_an_expired_token_is_reported_as_expired_and_a_forged_one_is_not(api: Api) -> None:
    past = now() - timedelta(minutes=1)

    assert "The credential has expired" == await refusal(api, token(exp=past))
    forged = token(exp=past, secret="another secret of more than thirty-two bytes")
    assert "The credential is not valid" == await refusal(api, forged)


@pytest.mark.parametrize("algorithm", ["none", "None", "NONE", "nOnE"])
async def test_a_token_without_a_signature_is_refused(api: Api, algorithm: str) -> None:
    _, claims, signature = token().split(".")
    header = encoded(json.dumps({"alg": algorithm, "typ": "JWT"}).encode())

    for end in ("", signature):
        assert "The credential is not valid" == await refusal(api, f"{header}.{claims}.{end}")


async def test_another_algorithm_is_refused_even_with_the_right_secret(api: Api) -> None:
    claims = jwt.decode(token(), options={"verify_signature": False})

    assert "The credential is not valid" == await refusal(
        api, jwt.encode(claims, SECRET + "x" * 64, algorithm="HS512")
    )
    assert "The credential is not valid" == await refusal(
        api, jwt.encode(claims, RSA, algorithm="RS256")
    )


async def test_why_a_token_was_refused_is_in_the_log_without_the_token(
    api: Api, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", logger="api")
    bad = token(iss="another-issuer")

    await refusal(api, bad)

    assert "Invalid issuer" in caplog.text
    assert bad not in caplog.text
    assert bad.split(".")[2] not in caplog.text


async def test_two_credentials_are_refused(api: Api) -> None:
    headers = [
        ("Authorization", f"Bearer {token()}"),
        ("Authorization", f"Bearer {token()}"),
        ("X-Tenant-ID", A_TENANT),
    ]

    assert 400 == (await api.client.get(EXECUTIONS, headers=headers)).status_code


# --- public keys ----------------------------------------------------------------------------------

RSA = rsa.generate_private_key(public_exponent=65537, key_size=2048)
EC = ec.generate_private_key(ec.SECP256R1())
OTHER_RSA = rsa.generate_private_key(public_exponent=65537, key_size=2048)


def a_key_set(**keys: Any) -> str:
    found = []
    for kid, key in keys.items():
        algorithm = (
            jwt.algorithms.RSAAlgorithm
            if isinstance(key, rsa.RSAPrivateKey)
            else jwt.algorithms.ECAlgorithm
        )
        found.append({**json.loads(algorithm.to_jwk(key.public_key())), "kid": kid, "use": "sig"})
    return json.dumps({"keys": found})


@pytest.fixture(scope="module")
def key_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("keys") / "jwks.json"
    file.write_text(a_key_set(one=RSA, two=EC))
    return file


@pytest.fixture(scope="module")
async def with_keys(tmp_path_factory: pytest.TempPathFactory, key_file: Path) -> AsyncIterator[Api]:
    async with an_api(tmp_path_factory.mktemp("api"), JWT_SECRET="", JWT_JWKS=str(key_file)) as api:
        yield api


def signed(key: Any, algorithm: str, **headers: Any) -> str:
    claims = jwt.decode(a_token("viewer"), options={"verify_signature": False})
    return jwt.encode(claims, key, algorithm=algorithm, headers=headers)


async def test_tokens_of_both_public_keys_are_believed(with_keys: Api) -> None:
    for believed in (signed(RSA, "RS256", kid="one"), signed(EC, "ES256", kid="two")):
        assert (
            200 == (await with_keys.client.get(EXECUTIONS, headers=as_user(believed))).status_code
        )


async def test_a_public_key_is_no_shared_secret(with_keys: Api) -> None:
    public = RSA.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    header = encoded(json.dumps({"alg": "HS256", "typ": "JWT", "kid": "one"}).encode())
    claims = a_token("viewer").split(".")[1]
    forged = hmac.digest(public, f"{header}.{claims}".encode(), "sha256")

    assert "The credential is not valid" == await refusal(
        with_keys, f"{header}.{claims}.{encoded(forged)}"
    )
    assert "The credential is not valid" == await refusal(with_keys, a_token("viewer"))


@pytest.mark.parametrize(
    "bad",
    [
        lambda: signed(RSA, "RS256"),
        lambda: signed(RSA, "RS256", kid="two"),
        lambda: signed(RSA, "RS256", kid="three"),
        lambda: signed(OTHER_RSA, "RS256", kid="one"),
        lambda: signed(RSA, "RS512", kid="one"),
        lambda: signed(RSA, "PS256", kid="one"),
        lambda: signed(
            OTHER_RSA, "RS256", kid="one", jwk={"kty": "RSA"}, jku="http://127.0.0.1/keys"
        ),
        lambda: signed(RSA, "RS256", kid="one", crit=["exp"]),
    ],
    ids=[
        "no kid",
        "another's kid",
        "unknown kid",
        "other key",
        "RS512",
        "PS256",
        "brings its own key",
        "crit",
    ],
)
async def test_only_the_key_that_a_token_names_is_tried_on_it(
    with_keys: Api, bad: Callable[[], str]
) -> None:
    assert "The credential is not valid" == await refusal(with_keys, bad())


async def test_a_new_key_is_found_and_a_withdrawn_one_forgotten(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("api.access.key_sets.UNKNOWN_SECONDS", 0.0)
    file = tmp_path / "jwks.json"
    file.write_text(a_key_set(one=RSA))
    async with an_api(tmp_path, JWT_SECRET="", JWT_JWKS=str(file)) as api:
        assert "The credential is not valid" == await refusal(api, signed(EC, "ES256", kid="two"))
        file.write_text(a_key_set(two=EC))

        new = await api.client.get(EXECUTIONS, headers=as_user(signed(EC, "ES256", kid="two")))
        assert 200 == new.status_code
        assert "The credential is not valid" == await refusal(api, signed(RSA, "RS256", kid="one"))


async def test_without_keys_no_one_is_believed_and_everyone_may_come_again(tmp_path: Path) -> None:
    async with an_api(tmp_path, JWT_SECRET="", JWT_JWKS=str(tmp_path / "missing.json")) as api:
        response = await api.client.get(
            EXECUTIONS, headers=as_user(signed(RSA, "RS256", kid="one"))
        )

    assert (503, "DEPENDENCY_UNAVAILABLE") == (
        response.status_code,
        response.json()["error"]["code"],
    )


async def test_the_keys_are_fetched_over_http_once_for_many_tokens() -> None:
    asked = 0

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal asked
        asked += 1
        await reader.readuntil(b"\r\n\r\n")
        body = a_key_set(one=RSA).encode()
        writer.write(
            b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: %d\r\n\r\n%s"
            % (len(body), body)
        )
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        keys = KeySet(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/keys")
        found = await asyncio.gather(*(keys.key("one") for _ in range(20)))

    assert (1, {"one"}) == (asked, {key.key_id for key in found})


async def test_while_the_keys_cannot_be_had_the_last_ones_are_believed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("api.access.key_sets.FRESH_SECONDS", 0.0)
    file = tmp_path / "jwks.json"
    file.write_text(a_key_set(one=RSA))
    keys = KeySet(str(file))
    first = await keys.key("one")
    file.unlink()
    monkeypatch.setattr("api.access.key_sets.UNKNOWN_SECONDS", 0.0)

    assert first is await keys.key("one")
    monkeypatch.setattr("api.access.key_sets.BELIEVED_SECONDS", 0.0)
    with pytest.raises(Unavailable):
        await keys.key("one")


@pytest.mark.parametrize(
    "content",
    [
        "",
        "{}",
        '{"keys": []}',
        '{"keys": 7}',
        "[]",
        '{"keys": [{"kty": "oct", "kid": "one", "k": "AAAA"}]}',
    ],
)
async def test_what_is_no_set_of_public_keys_is_none(tmp_path: Path, content: str) -> None:
    file = tmp_path / "jwks.json"
    file.write_text(content)

    with pytest.raises(Unavailable, match="the public keys at"):
        await KeySet(str(file)).key("one")


def test_a_key_that_cannot_be_used_spoils_no_other() -> None:
    keys = json.loads(a_key_set(one=RSA))["keys"]
    broken: list[dict[str, Any]] = [
        {"kty": "RSA", "kid": "two"},
        {},
        {**keys[0], "kid": "three", "use": "enc"},
    ]

    assert {"one"} == usable_keys(json.dumps({"keys": [*broken, *keys]}).encode()).keys()


@pytest.mark.parametrize("status", [None, 404, 302, 500])
async def test_the_query_of_an_address_is_never_shown(
    caplog: pytest.LogCaptureFixture, status: int | None
) -> None:
    """An address may hold a token there, and errors of HTTP clients show addresses."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        if status is not None:
            writer.write(f"HTTP/1.1 {status} No\r\nContent-Length: 0\r\n\r\n".encode())
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        keys = KeySet(f"http://127.0.0.1:{port}/keys?code=hunter2")
        with pytest.raises(Unavailable, match="the public keys at") as missing:
            await keys.key("one")

    assert f"The public keys at http://127.0.0.1:{port}/keys cannot be had" in caplog.text
    assert (
        "hunter2" not in f"{missing.value}"
        f"{[one.getMessage() for one in caplog.records if one.name != 'httpx']}"
    )


# --- what a token says ----------------------------------------------------------------------------

VIEWER = frozenset({"viewer"})


@pytest.mark.parametrize(
    ("claims", "id", "roles", "acts"),
    [
        ({"sub": "ann", "type": "access"}, "ann", {"viewer"}, False),
        ({"userId": "ann", "type": "access"}, "ann", {"viewer"}, False),
        (
            {"id": "ann", "type": "access", "roles": ["approver", "vp"]},
            "ann",
            {"approver", "vp"},
            False,
        ),
        ({"sub": "ann", "type": "access", "roles": ["vp"]}, "ann", {"viewer", "vp"}, False),
        (
            {"sub": "ann", "type": "access", "roles": "operator, vp"},
            "ann",
            {"operator", "vp"},
            False,
        ),
        (
            {"sub": "ann", "type": "access", "permissions": ["workflow-orchestrator:admin"]},
            "ann",
            {"admin"},
            False,
        ),
        (
            {"sub": "ann", "type": "access", "permissions": ["act-for-users"]},
            "ann",
            {"viewer", "act-for-users"},
            False,
        ),
        ({"serviceId": "bot", "permissions": ["operator"]}, "service:bot", {"operator"}, False),
        (
            {"serviceId": "bot", "permissions": ["approver", "act-for-users"]},
            "service:bot",
            {"approver", "act-for-users"},
            True,
        ),
        (
            {"serviceId": "bot", "roles": ["act-for-users"]},
            "service:bot",
            {"viewer", "act-for-users"},
            False,
        ),
    ],
)
def test_who_it_is_and_what_they_may(
    claims: dict[str, Any], id: str, roles: set[str], acts: bool
) -> None:
    expected = Identity(
        A_TENANT,
        id,
        frozenset(roles),
        acts,
        credential="service-token" if "serviceId" in claims else "user-token",
    )

    stated = {"tenantId": A_TENANT.upper(), **claims}
    assert expected == identity_of(stated, VIEWER, USERS)


def test_a_name_must_be_one() -> None:
    for name in ("", " ann", "a" * 201, "a\tb"):
        with pytest.raises(CredentialInvalid):
            identity_of({"tenantId": A_TENANT, "type": "access", "sub": name}, VIEWER, USERS)


def test_roles_that_are_null_are_none() -> None:
    stated = {"tenantId": A_TENANT, "type": "access", "sub": "ann", "roles": None}

    assert VIEWER == identity_of(stated, VIEWER, USERS).roles
