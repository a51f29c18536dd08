"""What RabbitMQ writes about a declaration that it refuses, as it writes it."""

import pytest

from blocks.adapters.rabbitmq.refusals import mismatch_of
from blocks.ports import Mismatch

REFUSED = "PRECONDITION_FAILED - inequivalent arg "


@pytest.mark.parametrize(
    ("refusal", "expected"),
    [
        (
            "'x-dead-letter-exchange' for queue 'bi_batch_jobs' in vhost '/': received none but "
            "current is the value '' of type 'longstr'",
            ("queue", "bi_batch_jobs", "x-dead-letter-exchange", "not set", "empty"),
        ),
        (
            "'x-queue-type' for queue 'a' in vhost '/': received the value 'quorum' of type "
            "'longstr' but current is the value 'classic' of type 'longstr'",
            ("queue", "a", "x-queue-type", "quorum", "classic"),
        ),
        (
            "'durable' for queue 'it's' in vhost 'a b': received 'true' but current is 'false'",
            ("queue", "it's", "durable", "true", "false"),
        ),
        (
            "'type' for exchange 'coder_events' in vhost '/': received 'topic' but current is "
            "'direct'",
            ("exchange", "coder_events", "type", "topic", "direct"),
        ),
    ],
)
def test_a_refusal_names_the_argument_and_both_values(
    refusal: str, expected: tuple[str, ...]
) -> None:
    found = mismatch_of(REFUSED + refusal)

    assert isinstance(found, Mismatch)
    assert expected == (found.kind, found.name, found.argument, found.declared, found.existing)


@pytest.mark.parametrize(
    "refusal",
    [
        "PRECONDITION_FAILED - unknown delivery tag 1",
        "PRECONDITION_FAILED - delivery acknowledgement on channel 1 timed out",
        "NOT_FOUND - no queue 'a' in vhost '/'",
    ],
)
def test_another_refusal_is_no_mismatch(refusal: str) -> None:
    assert mismatch_of(refusal) is None
