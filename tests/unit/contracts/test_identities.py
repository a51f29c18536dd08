"""One person has one spelling, and no user's id is the name of another kind of caller."""

from unicodedata import normalize

import pytest
from hypothesis import given
from hypothesis import strategies as st

from blocks.contracts.approvals import Approvers
from blocks.contracts.identities import RESERVED, NoIdentity, is_reserved, spelled, user_id

TEXTS = st.text(max_size=40)


@pytest.mark.parametrize(
    ("stated", "one_spelling"),
    [
        (" ann ", "ann"),
        ("Ann@Example.COM", "ann@example.com"),
        ("Jose\u0301", "Jos\u00e9"),
        ("JOSE\u0301@example.com", "jos\u00e9@example.com"),
        ("01ARZ3NDEKTSV4RRFFQ69G5FAV", "01ARZ3NDEKTSV4RRFFQ69G5FAV"),
    ],
)
def test_the_spellings_of_one_person_are_one(stated: str, one_spelling: str) -> None:
    assert one_spelling == spelled(stated)


@given(TEXTS)
def test_a_spelling_is_its_own_spelling_however_it_is_decomposed_and_padded(stated: str) -> None:
    assert spelled(stated) == spelled(spelled(stated)) == spelled(f"  {normalize('NFD', stated)}\t")


@given(st.sampled_from(RESERVED), TEXTS, st.sampled_from(["", " ", "\t"]), st.booleans())
def test_no_user_has_the_name_of_another_kind_of_caller(
    prefix: str, name: str, blank: str, upper: bool
) -> None:
    stated = blank + (prefix.upper() if upper else prefix) + name

    assert is_reserved(stated)
    with pytest.raises(NoIdentity):
        user_id(stated)


@pytest.mark.parametrize("stated", ["", "  ", "a\nb", "a\u200bnn", "x" * 201])
def test_what_cannot_be_seen_is_no_id(stated: str) -> None:
    with pytest.raises(NoIdentity):
        user_id(stated)


def test_a_policy_names_people_however_it_spells_them_and_never_a_key_of_that_name() -> None:
    approvers = Approvers(users=(" Ann@Example.com", "bob", "key:bot"))

    assert approvers.include("ann@example.COM", frozenset())
    assert approvers.include("key:bot", frozenset())
    for other in ("key:bob", "service:bob", "claimed:bob", "cli:bob", "bot"):
        assert not approvers.include(other, frozenset())
