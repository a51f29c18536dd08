"""A real browser without a window (Debian's `chromium`), driven over its DevTools protocol.

https://chromedevtools.github.io/devtools-protocol/
"""

import asyncio
import os
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import count
from pathlib import Path
from typing import Any

import httpx
import msgspec
from websockets.asyncio.client import ClientConnection, connect

from tests.support.waiting import eventually

FOREIGN_HOST = "evil.example"
"""The browser finds it on this machine, as with a name that was rebound to 127.0.0.1."""

_FLAGS = (
    "--headless",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--remote-debugging-port=0",
    "--disable-site-isolation-trials",  # what frames receive is reported with their page
    # only new browsers ask before a page reaches this machine
    "--disable-features=LocalNetworkAccessChecks",
    f"--host-resolver-rules=MAP {FOREIGN_HOST} 127.0.0.1",
)


class Page:
    """One tab; `received` holds the status of every answer that it and its frames were given, by
    URL.
    """

    def __init__(self, connection: ClientConnection) -> None:
        self._connection = connection
        self._ids = count()
        self._waiting: dict[int, asyncio.Future[Any]] = {}
        self.received: list[tuple[str, int]] = []

    async def listen(self) -> None:
        """Until the tab is closed, what it reports is noted."""
        async for text in self._connection:
            message = msgspec.json.decode(text)
            if message.get("method") == "Network.responseReceived":
                response = message["params"]["response"]
                self.received.append((response["url"], response["status"]))
            elif waiting := self._waiting.pop(message.get("id", -1), None):
                waiting.set_result(message)

    async def opens(self, url: str) -> None:
        """The page of this URL is the one that the tab shows, and it is complete."""
        opened = await self._asks("Page.navigate", url=url)
        assert "errorText" not in opened, f"{url}: {opened}"

        async def is_shown() -> bool:
            shown = await self.evaluates("[location.href, document.readyState]")
            return bool(shown[0].startswith(url) and shown[1] == "complete")

        await eventually(is_shown, within_seconds=60)

    async def evaluates(self, expression: str) -> Any:
        """What a script of this page gets for the expression, which may be a promise."""
        asked = {"expression": expression, "awaitPromise": True, "returnByValue": True}
        answer = await self._asks("Runtime.evaluate", **asked)
        assert "exceptionDetails" not in answer, answer
        return answer["result"].get("value")

    async def reads(self) -> str:
        """The text that a person sees."""
        return str(await self.evaluates("document.body ? document.body.innerText : ''"))

    async def _asks(self, method: str, **parameters: Any) -> Any:
        id = next(self._ids)
        waiting = self._waiting[id] = asyncio.get_running_loop().create_future()
        await self._connection.send(
            msgspec.json.encode({"id": id, "method": method, "params": parameters}).decode()
        )
        answer = await asyncio.wait_for(waiting, 120)
        assert "error" not in answer, answer
        return answer["result"]

    async def notes_what_it_receives(self) -> None:
        await self._asks("Network.enable")


class Browser(msgspec.Struct, frozen=True):
    """One process, which keeps nothing of what it saw."""

    port: int

    @asynccontextmanager
    async def page(self, url: str) -> AsyncIterator[Page]:
        """A tab that shows this URL."""
        async with httpx.AsyncClient() as client:
            made = (
                await client.put(f"http://127.0.0.1:{self.port}/json/new?about:blank", timeout=60)
            ).json()
        async with connect(made["webSocketDebuggerUrl"], max_size=None) as connection:
            page = Page(connection)
            listening = asyncio.create_task(page.listen())
            try:
                await page.notes_what_it_receives()
                await page.opens(url)
                yield page
            finally:
                listening.cancel()


@asynccontextmanager
async def a_browser(folder: Path) -> AsyncIterator[Browser]:
    """Lives as long as its context; its profile lies in the folder."""
    as_root = ["--no-sandbox"] if os.geteuid() == 0 else []
    command = [chromium(), *_FLAGS, *as_root, f"--user-data-dir={folder}", "about:blank"]
    with (folder / "browser.log").open("wb") as log:
        process = await asyncio.create_subprocess_exec(*command, stdout=log, stderr=log)
    try:
        yield Browser(await eventually(lambda: _port(folder), within_seconds=120))
    finally:
        process.terminate()
        try:
            await asyncio.wait_for(process.wait(), 20)
        except TimeoutError:
            process.kill()
            await process.wait()


def chromium() -> str:
    """Where the program lies; fails if it is not installed."""
    program = shutil.which("chromium")
    assert program, "no chromium: `make browser` installs it"
    return program


async def _port(folder: Path) -> int:
    """0 until it listens."""
    try:
        lines = (folder / "DevToolsActivePort").read_text().splitlines()
    except FileNotFoundError:
        return 0
    return int(lines[0]) if lines else 0
