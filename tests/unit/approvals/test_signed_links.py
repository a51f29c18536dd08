"""Signed links: what is issued can be read until it expires, and nothing else can be
read at all.
"""

from base64 import urlsafe_b64encode
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from blocks.security.signed_links import (
    LinkClaims,
    LinkExpired,
    LinkForged,
    LinksDisabled,
    issue,
    new_nonce,
    read,
    secret_of,
)
from blocks.settings import load_settings
from tests.support.factories import A_TENANT

SECRET = b"a secret of at least 32 characters"
NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
CLAIMS = LinkClaims(
    approval_id="6f9619ff-8b86-4d01-b42d-00cf4fc964ff",
    tenant_id=A_TENANT,
    recipient="chief@customer.example",
    outcomes=("approve", "reject"),
    expires_at=NOON + timedelta(days=1),
    nonce="nonce-1",
)
TOKEN = issue(SECRET, CLAIMS)


@given(recipient=st.text(), outcomes=st.lists(st.text()).map(tuple), nonce=st.text())
def test_what_is_issued_can_be_read(recipient: str, outcomes: tuple[str, ...], nonce: str) -> None:
    claims = replace(CLAIMS, recipient=recipient, outcomes=outcomes, nonce=nonce)

    assert claims == read(SECRET, issue(SECRET, claims), NOON)


def test_a_token_needs_no_escaping_in_a_url() -> None:
    assert set(TOKEN) <= set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.")


@pytest.mark.parametrize("late", [timedelta(0), timedelta(microseconds=1), timedelta(days=400)])
def test_a_link_is_good_until_the_moment_it_expires(late: timedelta) -> None:
    read(SECRET, TOKEN, CLAIMS.expires_at - timedelta(microseconds=1))

    with pytest.raises(LinkExpired, match="2026-03-03T12:00:00"):
        read(SECRET, TOKEN, CLAIMS.expires_at + late)


def test_with_another_secret_it_is_forged_even_if_it_has_expired() -> None:
    with pytest.raises(LinkForged):
        read(b"another secret of 32 characters....", TOKEN, CLAIMS.expires_at)


@pytest.mark.parametrize("position", range(len(TOKEN)))
def test_a_token_with_one_character_changed_is_forged(position: int) -> None:
    other = "A" if TOKEN[position] != "A" else "B"

    with pytest.raises(LinkForged):
        read(SECRET, TOKEN[:position] + other + TOKEN[position + 1 :], NOON)


def test_claims_of_one_link_with_the_signature_of_another_are_forged() -> None:
    _, signature = issue(SECRET, replace(CLAIMS, outcomes=("reject",))).rsplit(".", 1)

    with pytest.raises(LinkForged):
        read(SECRET, f"{TOKEN.rsplit('.', 1)[0]}.{signature}", NOON)


def test_claims_without_a_signature_are_forged() -> None:
    claims = urlsafe_b64encode(b'{"approvalId":"1"}').decode()

    for token in (f"v1.{claims}", f"v1.{claims}.", f"none.{claims}.", claims):
        with pytest.raises(LinkForged):
            read(SECRET, token, NOON)


@given(token=st.text())
def test_whatever_is_no_token_is_forged(token: str) -> None:
    with pytest.raises(LinkForged):
        read(SECRET, token, NOON)


def test_what_a_token_leads_to_has_one_spelling() -> None:
    for twin in (
        f"{TOKEN}=",
        f"{TOKEN} ",
        f" {TOKEN}",
        TOKEN.replace(".", "..", 1),
        f"{TOKEN}\n",
        f"{TOKEN}\ud800",
    ):
        with pytest.raises(LinkForged):
            read(SECRET, twin, NOON)


def test_no_two_links_share_a_nonce() -> None:
    assert 1000 == len({new_nonce() for _ in range(1000)})


def test_without_a_secret_links_are_disabled_and_say_what_to_set() -> None:
    with pytest.raises(LinksDisabled, match="APPROVAL_LINK_SECRET"):
        secret_of("")


def test_the_secret_is_in_no_text_that_settings_become() -> None:
    settings = load_settings({"APPROVAL_LINK_SECRET": SECRET.decode()})

    assert SECRET == secret_of(settings.approvals.link_secret)
    assert SECRET.decode() not in repr(settings)
