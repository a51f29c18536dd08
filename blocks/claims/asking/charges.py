"""What the payment service answers: every value that it states about money, read strictly.

An answer that does not decline is never refused here: what it leaves out, or states so that it
cannot be used, is for the ledger to judge (`blocks.claims.money.fees`).
"""

from collections.abc import Callable, Collection, Iterator
from typing import Any, TypeVar

import msgspec

from blocks.claims.asking.answers import content_of, stated_under
from blocks.contracts.claims.money import BadAmount, Currency, currency_of
from blocks.contracts.events import JsonObject

T = TypeVar("T")

_TEXT_MAX = 200

_NAMES = {
    "id": ("charge_id", "transaction_id", "payment_intent_id", "id"),
    "fee_cents": ("fee_cents", "platform_fee_cents", "commission_cents"),
    "currency": ("currency",),
    "amount_cents": ("amount_recovered_cents", "amount_cents"),
    "user_id": ("user_id",),
    "claim_id": ("claim_id",),
    "key": ("idempotency_key",),
}
"""Under which each value may come, in snake_case or camelCase."""

_AFFIRMED_BY = ("ok", "success")
_DONE = ("succeeded", "success", "completed", "captured", "charged", "paid", "ok")
"""A `status` of a charge that has been made; another one, `pending` among them, is none."""

_HTTP_DONE = (200, 201)
"""As the `status` around the charge, where some services repeat that of the answer."""


class Charge(msgspec.Struct, frozen=True, kw_only=True):
    """A charge as the payment service states it; None: it does not state that."""

    id: str | None = None
    fee_cents: int | None = None
    currency: Currency | None = None
    amount_cents: int | None = None
    """Of which it is the fee."""
    user_id: str | None = None
    claim_id: str | None = None
    key: str | None = None
    """The Idempotency-Key under which it was made."""
    unreadable: tuple[str, ...] = ()
    """Names of the values that it states in a way that cannot be used, or in two ways at once."""


class _Unusable(ValueError):
    pass


def read_charge(answer: JsonObject) -> Charge:
    """Raises `Declined` alone."""
    content, read, unreadable = content_of(answer), dict[str, Any](), list[str]()
    for name in _NAMES:
        try:
            read[name] = _one(content, name)
        except (_Unusable, BadAmount):
            unreadable.append(name)
    unreadable += _not_affirmed(answer, (*_DONE, *_HTTP_DONE))
    if content is not answer:
        unreadable += _not_affirmed(content, _DONE)
    return Charge(**read, unreadable=tuple(dict.fromkeys(unreadable)))


def _not_affirmed(stated: JsonObject, done: Collection[str | int]) -> Iterator[str]:
    """Names of what does not state that the charge was made, in the charge or around it."""
    yield from (name for name in _AFFIRMED_BY if stated.get(name, True) is not True)
    status = stated.get("status", "ok")
    if isinstance(status, bool) or status not in done:
        yield "status"


def _one(content: JsonObject, name: str) -> Any:
    """The value in whatever way it is stated; None if it is not. Raises `_Unusable`."""
    stated = [value for one in _NAMES[name] for value in stated_under(content, one)]
    if name == "id":  # of a charge, a transaction, an intent: the first that there is
        stated = stated[:1]
    read = [_READ[name](value) for value in stated]
    if len(set(read)) > 1:
        raise _Unusable
    return read[0] if read else None


def _whole(value: Any) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or abs(value) > 2**63:
        raise _Unusable
    return value


def _text(value: Any) -> str:
    text = str(_whole(value)) if isinstance(value, int) else value
    if not isinstance(text, str) or len(text) > _TEXT_MAX:
        raise _Unusable
    if not text.strip() or not text.isprintable():
        raise _Unusable
    return text.strip()


def _currency(value: Any) -> Currency:
    return currency_of(_text(value))


_READ: dict[str, Callable[[Any], Any]] = {
    "id": _text,
    "fee_cents": _whole,
    "currency": _currency,
    "amount_cents": _whole,
    "user_id": _text,
    "claim_id": _text,
    "key": _text,
}
