"""What the claim services answer, read leniently: the platform documents several shapes.

The content is `data` of the answer, or the answer itself; names are in snake_case or camelCase. An
answer that states `ok` or `success` as false has done nothing, whatever its status. What decides
about money or a claim's route is checked.
"""

from collections.abc import Iterable, Iterator
from decimal import Decimal
from typing import Any

import msgspec

from blocks.claims.asking.calls import Declined, Unreadable, stated_in
from blocks.contracts.claims.findings import BadFinding, Claim, Match, read_claims, read_matches
from blocks.contracts.events import JsonObject

_ID_LENGTH_MAX = 200
_COUNT_MAX = 2**53 - 1


class SyncResult(msgspec.Struct, frozen=True, kw_only=True):
    """How much of a seller's data was read; 0 where the service counts nothing."""

    orders_count: int = 0
    inventory_items: int = 0


class DetectionResult(msgspec.Struct, frozen=True, kw_only=True):
    """`claims` is None if the service goes on by itself and triggers phase 3 when it has them."""

    queued: bool
    claims: list[Claim] | None = None


class MatchingResult(msgspec.Struct, frozen=True, kw_only=True):
    """None if the service only counts its matches: it triggers phase 4 itself with them."""

    matches: list[Match] | None = None


class SubmissionResult(msgspec.Struct, frozen=True, kw_only=True):
    """None if there is no case number yet."""

    amazon_case_id: str | None = None


def read_sync(answer: JsonObject) -> SyncResult:
    content = content_of(answer)
    return SyncResult(
        orders_count=_count(content, ("orders_count", "orders_processed", "orders")),
        inventory_items=_count(content, ("inventory_items", "inventory_count", "inventory")),
    )


def read_detection(answer: JsonObject) -> DetectionResult:
    content = content_of(answer)
    found = _findings(content, ("claims", "claims_found"))
    if found is None:
        return DetectionResult(queued=True)
    try:
        claims = [_with_plain_details(claim) for claim in read_claims(found)]
    except (BadFinding, msgspec.ValidationError) as error:
        raise Unreadable(str(error)) from None
    is_queued = any(_value(content, name) is True for name in ("queued", "detection_job_queued"))
    return DetectionResult(queued=is_queued, claims=claims)


def read_matching(answer: JsonObject) -> MatchingResult:
    found = _findings(content_of(answer), ("matches", "matching_results"))
    if found is None:
        return MatchingResult()
    try:
        return MatchingResult(matches=read_matches(found))
    except (BadFinding, msgspec.ValidationError) as error:
        raise Unreadable(str(error)) from None


def read_submission(answer: JsonObject) -> SubmissionResult:
    return SubmissionResult(amazon_case_id=_id(content_of(answer), ("amazon_case_id", "case_id")))


def read_rejection(answer: JsonObject) -> None:
    content_of(answer)


def content_of(answer: JsonObject) -> JsonObject:
    """Raises `Declined` for an answer that says in its body that nothing was done."""
    if answer.get("ok") is False or answer.get("success") is False:
        raise Declined(stated_in(answer) or "it states no reason")
    content = answer.get("data")
    return content if isinstance(content, dict) else answer


def stated_under(content: JsonObject, name: str) -> Iterator[Any]:
    """The values under this name, and the same in camelCase; null is none."""
    first, *others = name.split("_")
    for spelled in dict.fromkeys((name, first + "".join(map(str.capitalize, others)))):
        if content.get(spelled) is not None:
            yield content[spelled]


def _value(content: JsonObject, name: str) -> Any:
    return next(stated_under(content, name), None)


def _findings(content: JsonObject, names: Iterable[str]) -> list[Any] | None:
    """The first list under one of the names; None for a count, or nothing.

    What is neither is no answer: read as "later", a journey would wait for ever.
    """
    for value in (_value(content, name) for name in names):
        if isinstance(value, list):
            return value
        if value is not None and (isinstance(value, bool) or not isinstance(value, int)):
            raise Unreadable("what it has found is neither a list nor a count")
    return None


def _count(content: JsonObject, names: Iterable[str]) -> int:
    for value in (_value(content, name) for name in names):
        if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= _COUNT_MAX:
            return value
    return 0


def _id(content: JsonObject, names: Iterable[str]) -> str | None:
    for value in (_value(content, name) for name in names):
        text = str(value) if isinstance(value, int) and not isinstance(value, bool) else value
        if isinstance(text, str) and text.strip():
            if len(text) > _ID_LENGTH_MAX or not text.isprintable():
                raise Unreadable(f"an id is a text of at most {_ID_LENGTH_MAX} characters")
            return text.strip()
    return None


def _with_plain_details(claim: Claim) -> Claim:
    """Numbers in the details are floats again: only amounts are worked with."""
    return msgspec.structs.replace(claim, details=_plain(claim.details))


def _plain(value: Any) -> Any:
    match value:
        case Decimal():
            return float(value)
        case dict():
            return {name: _plain(inner) for name, inner in value.items()}
        case list():
            return [_plain(inner) for inner in value]
    return value
