"""Which pages may connect to the Socket.IO endpoint."""

import pytest

from api.sockets.engine import allows_origin

ORIGINS = frozenset({"https://app.customer.example"})


@pytest.mark.parametrize(
    ("origin", "may"),
    [
        (None, True),
        ("https://app.customer.example", True),
        ("https://api.example", True),
        ("http://app.customer.example", False),
        ("https://api.example.elsewhere.example", False),
        ("https://elsewhere.example", False),
        ("null", False),
    ],
)
def test_pages_of_the_operators_origins_and_our_own_may_and_programs_name_none(
    origin: str | None, may: bool
) -> None:
    assert may is allows_origin(ORIGINS, origin, {"HTTP_HOST": "api.example"})
