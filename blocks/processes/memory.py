"""The memory of this process: how much it holds, and what is never searched for garbage."""

import gc
import os
import resource
import sys
from pathlib import Path

_STATM = Path("/proc/self/statm")
_BYTES_PER_MEGABYTE = 1024 * 1024


def memory_megabytes() -> float:
    """Resident memory; where the system does not report it, the most that it has been so far."""
    try:
        pages = int(_STATM.read_text().split()[1])
    except OSError:
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return peak * (1 if sys.platform == "darwin" else 1024) / _BYTES_PER_MEGABYTE
    return pages * os.sysconf("SC_PAGE_SIZE") / _BYTES_PER_MEGABYTE


def spare_the_collector() -> None:
    """What is there now stays, and is looked at no more when memory is searched for garbage.

    Prefect and what it imports are 140,000 objects; a search through all of them stops every
    thread for 0.1 to 0.3 s, one that holds a lock of the embedded store too.
    """
    gc.collect()
    gc.freeze()
