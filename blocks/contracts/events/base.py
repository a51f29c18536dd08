"""What the data of all events is made of."""

from typing import Annotated, Any, ClassVar

import msgspec

from blocks.contracts.reading.normalised import OUR_ID, Normalised

Id = Annotated[str, msgspec.Meta(min_length=1, max_length=200)]
"""A foreign id: usually a UUID, passed through unchanged in any form (compare by `matching_id`)."""

Uuid = Annotated[str, msgspec.Meta(extra_json_schema={"format": "uuid"})]
"""An id of ours: always a UUID."""

OurId = Annotated[str, OUR_ID]
"""An id of ours that comes back to us: a UUID in any case, in lower case from here on."""

RiskScore = Annotated[float, msgspec.Meta(ge=0, le=1)]
"""From 0 to 1, as the platform documents; rules compare with it, so 85 is refused and not taken for
0.85.
"""

SubjectId = Annotated[
    str, msgspec.Meta(min_length=1, max_length=200, extra_json_schema={"format": "uuid"})
]
"""An opportunity's id. The platform documents a UUID; one that is none is still passed through
unchanged.
"""

JsonObject = dict[str, Any]


class EventData(Normalised, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    """Base of all event data; `event_type` is also the routing key."""

    event_type: ClassVar[str]
