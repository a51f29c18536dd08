"""Bounds of every field a person or a program may write: API, event, setting, command line.

Every number has both ends here, so that no arithmetic meets one that it cannot hold; a test takes
the types from the application and refuses a number without.
"""

from typing import Annotated

import msgspec

Subject = Annotated[str, msgspec.Meta(min_length=1, max_length=200, pattern=r"\S")]
"""What an execution is about."""

Workflow = Annotated[str, msgspec.Meta(min_length=1, max_length=200)]

CancelReason = Annotated[str, msgspec.Meta(min_length=1, max_length=500)]

DiscardReason = Annotated[str, msgspec.Meta(min_length=1, max_length=500, pattern=r"\S")]

COMMENT_MAX = 4000

Comment = Annotated[str, msgspec.Meta(max_length=COMMENT_MAX)]
"""The reason that the decider of an approval gives."""

Words = Annotated[str, msgspec.Meta(min_length=1, max_length=COMMENT_MAX, pattern=r"\S")]
"""A question of an approver, or the answer to it."""

Actor = Annotated[str, msgspec.Meta(min_length=1, max_length=200, pattern=r"\S")]

RequestKey = Annotated[str, msgspec.Meta(min_length=1, max_length=200, pattern=r"^[ -~]+$")]
"""What makes two requests the same one, e.g. `Idempotency-Key`."""

EMAIL_PATTERN = r"[^@\s<>,;:\"\\]{1,64}@[A-Za-z0-9.-]{1,255}"
"""One address without a name: what a mail server or the communications hub takes."""

Email = Annotated[str, msgspec.Meta(pattern=f"^{EMAIL_PATTERN}$")]

EmailOrNone = Annotated[str, msgspec.Meta(pattern=rf"^({EMAIL_PATTERN})?$")]

TokenOrNone = Annotated[str, msgspec.Meta(pattern=r"^[!-~]*\Z")]
"""A credential that goes into a header: no blank, no line end, ASCII alone."""

# --- numbers --------------------------------------------------------------------------------------

SPAN_SECONDS_MAX = 315_360_000.0
"""Ten years: added to any moment that is accepted as input, it is still a valid one."""

COUNT_MAX = 2**53 - 1
"""The largest whole number that every JSON reader reads exactly."""

AMOUNT_MAX = 1e15
SCORE_MAX = 1e6

Seconds = Annotated[float, msgspec.Meta(gt=0, le=SPAN_SECONDS_MAX)]
SecondsOrZero = Annotated[float, msgspec.Meta(ge=0, le=SPAN_SECONDS_MAX)]
Hours = Annotated[float, msgspec.Meta(gt=0, le=8_760)]
Days = Annotated[float, msgspec.Meta(gt=0, le=SPAN_SECONDS_MAX / 86_400)]
DaysOrZero = Annotated[float, msgspec.Meta(ge=0, le=SPAN_SECONDS_MAX / 86_400)]

Count = Annotated[int, msgspec.Meta(ge=0, le=COUNT_MAX)]
AtLeastOne = Annotated[int, msgspec.Meta(ge=1, le=COUNT_MAX)]

Amount = Annotated[float, msgspec.Meta(ge=-AMOUNT_MAX, le=AMOUNT_MAX)]
"""Of money. A refund or a lost deal is negative."""

Score = Annotated[float, msgspec.Meta(ge=-SCORE_MAX, le=SCORE_MAX)]
"""A risk score or a confidence; documented as 0 to 1, and read as it comes."""
