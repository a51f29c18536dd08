"""What a test switches on: a service that fails, for every user or for one."""

from typing import Literal

import msgspec

from blocks.claims.asking.failed import Service
from blocks.contracts.events import JsonObject

Kind = Literal["error", "declined", "hang", "garbage", "huge", "later", "answer"]
"""`error`: this status. `declined`: 200, and the body says that nothing was done. `hang`: no answer
until the client leaves. `garbage`: what is no JSON. `huge`: more than a client should read.
`later`: detection and matching go on by themselves, and only say so. `answer`: 200, with `answer`
as its body.
"""


class Fault(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How requests are answered instead."""

    kind: Kind
    service: Service | None = None
    """None: every service."""
    user_id: str | None = None
    """None: every user."""
    requests: int | None = None
    """So many requests, then none; None: until it is cleared."""
    status: int = 500
    retry_after: str | None = None
    """The header of this name."""
    answer: JsonObject = {}
    after_work: bool = False
    """The work is done, and only its answer is lost."""


class Faults:
    """The faults that are on; the first that fits strikes."""

    def __init__(self) -> None:
        self._on: list[Fault] = []

    def set(self, fault: Fault) -> None:
        self._on.append(fault)

    def clear(self) -> None:
        self._on.clear()

    def strike(self, service: Service, user_id: str) -> Fault | None:
        """The fault of this request, which then is one request nearer to its end."""
        for place, fault in enumerate(self._on):
            if fault.service in (None, service) and fault.user_id in (None, user_id):
                self._use(place, fault)
                return fault
        return None

    def _use(self, place: int, fault: Fault) -> None:
        if fault.requests is None:
            return
        if fault.requests > 1:
            self._on[place] = msgspec.structs.replace(fault, requests=fault.requests - 1)
        else:
            del self._on[place]
