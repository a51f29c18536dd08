"""Memory given back: this process's garbage, and what Redis may lose."""

import gc

from blocks.contracts.events import JsonObject
from blocks.operations.performance.purging import purge
from blocks.operations.work import NotConfigured
from blocks.settings.operations import PerformanceOptimization


async def free_memory(settings: PerformanceOptimization, measured: JsonObject) -> JsonObject:
    """This process's garbage is collected if the measures show that memory is short, and Redis is
    purged. Returns `gcTriggered` and the figures of `purge`.

    Raises `NotConfigured` when nothing is short and there is nothing to purge; `RedisFailed`.
    """
    collected = collect_garbage(settings, measured)
    try:
        return {"gcTriggered": collected} | await purge(settings)
    except NotConfigured:
        if not collected:
            raise
        return {"gcTriggered": True, "memoryOptimized": True, "keysPurged": 0}


def collect_garbage(settings: PerformanceOptimization, measured: JsonObject) -> bool:
    """Objects that only hold each other are gone, if more memory is used (`memoryUsage`) than the
    limit; whether it is.

    Python collects by itself when a process has made many objects, and knows nothing of what else
    uses the machine's memory. Every thread of this process waits meanwhile.
    """
    is_short: bool = measured["memoryUsage"] > settings.collect_over_percent
    if is_short:
        gc.collect()
    return is_short
