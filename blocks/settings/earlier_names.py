"""Variables, and sections of a configuration file, that are still read under an earlier name."""

from collections.abc import Mapping
from typing import TypeVar

T = TypeVar("T")

EARLIER_NAMES = {
    "MIRROR_INTERVAL_SECONDS": "RECONCILER_INTERVAL_SECONDS",
    "MIRROR_LEASE_SECONDS": "RECONCILER_LEASE_SECONDS",
    "mirror": "reconciler",
}


def under_present_names(named: Mapping[str, T]) -> dict[str, T]:
    """What is there under both names counts under the present one."""
    return {
        EARLIER_NAMES[name]: value for name, value in named.items() if name in EARLIER_NAMES
    } | {name: value for name, value in named.items() if name not in EARLIER_NAMES}
