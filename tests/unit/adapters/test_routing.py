"""Topic patterns mean what AMQP says they mean."""

import pytest

from blocks.adapters.routing import matches


@pytest.mark.parametrize(
    ("pattern", "routing_key"),
    [
        ("a.b", "a.b"),
        ("a.*", "a.b"),
        ("*.b", "a.b"),
        ("#", "a.b.c"),
        ("a.#", "a"),
        ("a.#", "a.b.c"),
        ("#.c", "c"),
        ("#.c", "a.b.c"),
        ("a.#.d", "a.d"),
        ("a.#.d", "a.b.c.d"),
        ("*.#.*", "a.b"),
        ("#.#", ""),
    ],
)
def test_a_pattern_matches(pattern: str, routing_key: str) -> None:
    assert matches(pattern, routing_key)


@pytest.mark.parametrize(
    ("pattern", "routing_key"),
    [
        ("a.b", "a.b.c"),
        ("a.b.c", "a.b"),
        ("a.*", "a"),
        ("a.*", "a.b.c"),
        ("a.*", "b.b"),
        ("*.#.*", "a"),
        ("a.#.d", "a.b.c"),
        ("A.b", "a.b"),
        ("a.", "a"),
    ],
)
def test_a_pattern_does_not_match(pattern: str, routing_key: str) -> None:
    assert not matches(pattern, routing_key)
