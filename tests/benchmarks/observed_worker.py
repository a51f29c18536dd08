"""The worker process, and in its event loop one more task that measures how late the loop is.

    python -m tests.benchmarks.observed_worker FILE

Writes to FILE one line per sample: when it was due (seconds since 1970) and by how many
milliseconds it was late.
"""

import asyncio
import sys
import time
from pathlib import Path
from typing import TextIO

from blocks.settings import Settings, load_settings
from deployments.local.stop_signals import until_stopped
from deployments.logs import configure_logging
from deployments.prefect.server import use_prefect, wait_for_work_pool

_EVERY_SECONDS = 0.01


async def measure_lag(file: TextIO) -> None:
    """Each sample is due 10 ms after the one before was taken."""
    clock = asyncio.get_running_loop().time
    while True:
        due = clock() + _EVERY_SECONDS
        await asyncio.sleep(_EVERY_SECONDS)
        late = clock() - due
        file.write(f"{time.time() - late:.3f} {1000 * late:.2f}\n")


async def work(settings: Settings, file: Path) -> None:
    from deployments.worker.in_process_worker import run_worker

    await wait_for_work_pool(settings, limit_seconds=60)
    with file.open("w", buffering=1) as samples:
        measuring = asyncio.create_task(measure_lag(samples))
        try:
            await run_worker(settings, pool=settings.prefect.work_pool)
        finally:
            measuring.cancel()


def main() -> None:
    settings = use_prefect(load_settings())
    configure_logging(settings.log_level, "worker")
    asyncio.run(until_stopped(work(settings, Path(sys.argv[1]))))


if __name__ == "__main__":
    main()
