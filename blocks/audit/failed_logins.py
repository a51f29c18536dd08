"""Failed authentications on the platform's audit log: one entry for an address and window.

Failing costs a caller nothing, and the log is never pruned: a window is a few seconds at first and
up to five minutes while the failing goes on, and however many there are, a process writes at most
`ENTRIES_MAX` entries for a window, those of the addresses that failed most, and one for all the
others. An entry has reasons and counts, and nothing of what was shown. Each single refusal is in
the API's log.
"""

import asyncio
import logging
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, suppress
from datetime import datetime
from time import monotonic
from uuid import uuid4

from blocks.clock import utc_now
from blocks.contracts.ids import SYSTEM_TENANT
from blocks.contracts.records.audit import FAILED_LOGIN, AuditEntry
from blocks.ports import AlreadyExists, RecordStore, Unavailable
from blocks.processes.duties import again_and_again
from blocks.processes.ending import ended

log = logging.getLogger(__name__)

FIRST_WINDOW_SECONDS = 5.0
WINDOW_SECONDS = 300.0
"""Each window is twice as long as the one before, up to this; after as long without a failure, the
next one is short again.
"""

ENTRIES_MAX = 60
ADDRESSES_MAX = 1_000
"""Counted at the same time; beyond that, further addresses share one count."""

OTHERS = "others"
"""Stands for the addresses that have no entry of their own."""

_LOOK_SECONDS = 1.0


class FailedLogins:
    """The counts of the current window, which the first failure opens; lives as long as the
    process.
    """

    def __init__(self) -> None:
        self._since = utc_now()
        self._seconds = self._ends_at = 0.0
        self._counts: dict[str, Counter[str]] = defaultdict(Counter)
        self._unwritten: list[AuditEntry] = []

    def count(self, address: str, reason: str) -> None:
        if not self._counts:
            self._open_window()
        known = address in self._counts or len(self._counts) < ADDRESSES_MAX
        self._counts[address if known else OTHERS][reason] += 1

    async def write_due(self, store: RecordStore) -> None:
        """The windows that have ended are on the log. Raises as `write`."""
        if self._unwritten or (self._counts and monotonic() >= self._ends_at):
            await self.write(store)

    async def write(self, store: RecordStore) -> None:
        """What was counted is on the log. Raises `Unavailable`: then the next call writes it."""
        if not self._unwritten:
            self._unwritten = list(_entries(self._counts, self._since))
            self._counts.clear()
        while self._unwritten:
            with suppress(AlreadyExists):
                await store.create(SYSTEM_TENANT, self._unwritten[-1])
            self._unwritten.pop()

    def _open_window(self) -> None:
        now = monotonic()
        is_first = not self._seconds or now - self._ends_at >= WINDOW_SECONDS
        longer = min(2 * self._seconds, WINDOW_SECONDS)
        self._seconds = FIRST_WINDOW_SECONDS if is_first else longer
        self._since, self._ends_at = utc_now(), now + self._seconds


@asynccontextmanager
async def written_down(logins: FailedLogins, store: RecordStore) -> AsyncIterator[None]:
    """While this lasts, each window's counts are written at its end; the last ones, when it ends.

    A killed process loses those of its last window.
    """

    async def write_due() -> None:
        await logins.write_due(store)

    duty = again_and_again("failed logins", write_due, _LOOK_SECONDS, log)
    writing = asyncio.create_task(duty)
    try:
        yield
    finally:
        await ended(writing)
        try:
            await logins.write(store)
        except Unavailable as error:
            log.warning("the last failed logins are not on the audit log: %s", error)


def _entries(counts: Mapping[str, Counter[str]], since: datetime) -> Iterator[AuditEntry]:
    most_first = sorted(counts.items(), key=lambda one: (one[0] == OTHERS, -one[1].total()))
    for address, failures in most_first[:ENTRIES_MAX]:
        yield _entry(address, failures, since)
    if others := sum((failures for _, failures in most_first[ENTRIES_MAX:]), Counter[str]()):
        yield _entry(OTHERS, others, since)


def _entry(address: str, failures: Counter[str], since: datetime) -> AuditEntry:
    return AuditEntry(
        id=str(uuid4()),
        tenant_id=SYSTEM_TENANT,
        created_at=since,
        action=FAILED_LOGIN,
        actor=None,
        credential="unproven",
        service=None,
        roles=[],
        channel="api",
        request_id=None,
        result="refused",
        targets=[address],
        changes=[],
        failures=dict(failures),
    )
