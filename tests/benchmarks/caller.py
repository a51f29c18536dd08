"""A service that triggers a phase, in a process of its own, as the platform's services do: httpx, a
client and a connection for each call.

    python -m tests.benchmarks.caller URL CALLS_PER_SECOND

calls until its input is closed, one after the other, and prints how many seconds each call took as
JSON. Each names phase 4 of a user of its own with three matches; the headers come from
`CALLER_HEADERS`, JSON.
"""

import asyncio
import os
import sys
import time
from itertools import count
from typing import Any

import httpx
import msgspec

MATCHES = 3


async def call_until_closed(url: str, headers: dict[str, str], per_second: float) -> list[float]:
    """Seconds from each call to its 200. Raises for any other answer."""
    closed = asyncio.create_task(asyncio.to_thread(sys.stdin.read))
    taken: list[float] = []
    for number in count():
        if taken and closed.done():
            break
        async with httpx.AsyncClient(timeout=5.0, headers=headers) as client:
            # The snippet makes a client, too, but what that costs is not the orchestrator's.
            began = time.monotonic()
            answer = await client.post(f"{url}/api/v1/workflow/phase/4", json=_body(number))
            taken.append(time.monotonic() - began)
        answer.raise_for_status()
        await asyncio.sleep(max(0.0, began + 1 / per_second - time.monotonic()))
    return taken


def _body(number: int) -> dict[str, Any]:
    matches = [{"claim_id": f"claim-{number}-{i}", "confidence": 0.1} for i in range(MATCHES)]
    return {"user_id": f"caller-{number}", "sync_id": f"caller-{number}", "matches": matches}


class Calls:
    """The caller at work, and what it measured."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    async def end(self) -> list[float]:
        """It has stopped; the seconds of each call."""
        output, _ = await self._process.communicate(b"")
        assert self._process.returncode == 0, "the caller failed: see its traceback above"
        return msgspec.json.decode(output, type=list[float])


async def calling(url: str, headers: dict[str, str], per_second: float) -> Calls:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "tests.benchmarks.caller",
        url,
        str(per_second),
        env={**os.environ, "CALLER_HEADERS": msgspec.json.encode(headers).decode()},
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    return Calls(process)


if __name__ == "__main__":
    url, per_second = sys.argv[1:]
    headers = msgspec.json.decode(os.environ["CALLER_HEADERS"], type=dict[str, str])
    seconds = asyncio.run(call_until_closed(url, headers, float(per_second)))
    print(msgspec.json.encode(seconds).decode())
