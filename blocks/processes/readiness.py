"""Readiness checks of the parts that a process needs: concurrent, each with a short time limit."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping

from blocks.observability.redaction import redacted
from blocks.ports import Unavailable

log = logging.getLogger(__name__)

PROBE_SECONDS = 2.0

Probe = Callable[[], Awaitable[None]]
"""Returns when its part works, raises `Unavailable` when it does not."""

Probes = Mapping[str, Probe]


async def problems(probes: Probes) -> dict[str, str | None]:
    """What is wrong with each part, within two seconds; None: it works."""
    found = await asyncio.gather(*(_problem(name, probe) for name, probe in probes.items()))
    return dict(zip(probes, found, strict=True))


async def _problem(name: str, probe: Probe) -> str | None:
    try:
        async with asyncio.timeout(PROBE_SECONDS):
            await probe()
    except TimeoutError:
        return f"no answer in {PROBE_SECONDS:g} s"
    except Unavailable as error:
        return redacted(str(error))  # the caller is not authenticated
    except Exception:
        log.exception("the readiness check of %s failed unexpectedly", name)
        return "the check itself failed"
    return None
