"""Queues as a test wants them."""

from typing import Any

from msgspec.structs import replace

from blocks.tenants.dispatch_policy import default_policy
from listeners.dispatch.fair_queue import FairQueue


def a_queue(**changes: Any) -> FairQueue:
    """An empty queue under the default policy with these changes."""
    return FairQueue(replace(default_policy(), **changes))
