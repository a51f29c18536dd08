"""The stack that a demo uses: the one that runs here, or one for its own length."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from blocks.settings import Settings
from deployments.local.own_stack import own_stack
from deployments.local.readiness import answers, api_url, parts_becoming_ready
from deployments.local.terminal import say_plainly

READY_LIMIT_SECONDS = 60.0


@asynccontextmanager
async def ready_stack(settings: Settings) -> AsyncIterator[None]:
    """Every part works when the context begins. Raises `Unavailable` or `ServiceFailed` with what
    does not.
    """
    if await answers(settings):
        say_plainly(f"Using the stack at {api_url(settings)}")
        async for _ in parts_becoming_ready(settings, limit_seconds=READY_LIMIT_SECONDS):
            pass
        yield
        return
    say_plainly(f"Nothing answers at {api_url(settings)}: starting a stack for this demo\n")
    async with own_stack(settings):
        yield
