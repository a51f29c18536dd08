"""What a person or a program may write into a field, whichever door it comes through: API or command line."""

from typing import Annotated

import msgspec

Subject = Annotated[str, msgspec.Meta(min_length=1, max_length=200, pattern=r"\S")]
"""What an execution is about."""

Workflow = Annotated[str, msgspec.Meta(min_length=1, max_length=200)]

CancelReason = Annotated[str, msgspec.Meta(min_length=1, max_length=500)]

DiscardReason = Annotated[str, msgspec.Meta(min_length=1, max_length=500, pattern=r"\S")]

Comment = Annotated[str, msgspec.Meta(max_length=4000)]
"""What somebody who decides an approval gives as the reason."""

Actor = Annotated[str, msgspec.Meta(min_length=1, max_length=200, pattern=r"\S")]

RequestKey = Annotated[str, msgspec.Meta(min_length=1, max_length=200, pattern=r"^[ -~]+$")]
"""What makes two requests the same one, e.g. `Idempotency-Key`."""
