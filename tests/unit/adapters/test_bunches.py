"""Properties are written as the client library writes them, only sooner."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from blocks.adapters.rabbitmq.bunches import encoded_properties
from blocks.adapters.rabbitmq.messages import to_amqp
from blocks.ports import Message
from tests.support.factories import now

texts = st.text(st.characters(codec="utf-8"), max_size=60)
names = st.text(st.characters(codec="ascii"), min_size=1, max_size=30)
messages = st.builds(
    Message,
    id=texts.filter(bool),
    routing_key=st.text("abc.-", min_size=1, max_size=80),
    body=st.just(b"{}"),
    timestamp=st.datetimes(datetime(1970, 1, 2), datetime(2200, 1, 1), timezones=st.just(UTC)),
    headers=st.dictionaries(names, texts, min_size=1, max_size=6),
)


@given(messages)
def test_a_bunch_writes_the_properties_that_the_library_would_write(message: Message) -> None:
    assert to_amqp(message).properties.marshal() == encoded_properties(message)


def test_a_property_that_amqp_cannot_hold_is_refused_before_anything_is_written() -> None:
    message = Message(id="x" * 256, routing_key="a", body=b"", timestamp=now())
    with pytest.raises(ValueError, match=r"range\(0, 256\)"):
        encoded_properties(message)
