"""The events that this process received lately, and the clients that follow them."""

from collections.abc import Awaitable, Callable, Iterable
from datetime import datetime, timedelta
from secrets import token_hex

import msgspec

from api.live import metrics
from api.live.cursor import Cursor, mark_of
from api.live.errors import TooManyFollowers, TooManyOfTenant
from api.live.events import live_event
from api.live.filters import Filters
from api.live.follower import Follower
from api.live.log import Entry, TenantLog
from blocks.clock import utc_now
from blocks.ports import Message
from blocks.settings import Live

_RETRY_SECONDS = 5.0

MARKS_KEPT = 50_000

# Two queues of one exchange can hold events that several publishers publish at once in different
# orders, moments apart. A reader may stall in between: the events that it then takes all at once
# are counted, not timed.
DISORDER = timedelta(seconds=1)
DISORDER_EVENTS = 100

_NO_MARK = "0" * 16


class Hub:
    """The `Subscriber` of an API process; lives as long as it, and is used on its
    event loop only.
    """

    def __init__(self, live: Live, clock: Callable[[], datetime] = utc_now) -> None:
        self._live = live
        self._clock = clock
        self._instance = token_hex(4)
        self._number = 0
        # What was published before this is not known here.
        self._floor, self._since = 0, clock()
        self._logs: dict[str, TenantLog] = {}
        self._bytes = 0
        self._mark = _NO_MARK
        self._marks: dict[str, tuple[int, datetime]] = {}
        self._followers: dict[str, set[Follower]] = {}
        self._is_closed = False
        self.before_admission: Callable[[], Awaitable[None]] = _nothing
        """Awaited by who admits a follower: from then on, events are received."""

    # --- events from the bus
    # -------------------------------------------------------------------------

    def on_event(self, message: Message) -> None:
        event = live_event(message)
        if event is None:
            return
        log = self._log(event.tenant_id)
        if log.holds(event.event_id):
            return  # a publisher without a confirm has published it again
        self._number += 1
        entry = Entry(self._number, self._clock(), event, msgspec.json.encode(event))
        log.add(entry)
        self._bytes += entry.bytes
        self._remember(entry)
        self._make_room()
        metrics.EVENTS.inc()
        _wake(self._followers.get(event.tenant_id, ()))

    def on_gap(self) -> None:
        """Events were missed: nothing is kept, and every follower will get `resync`."""
        self.begin()
        metrics.INTERRUPTIONS.inc()

    def begin(self) -> None:
        """Events are received from now on. Of those before nothing is kept, and whoever follows
        already will get `resync`.
        """
        self._number += 1
        self._floor, self._since = self._number, self._clock()
        for log in self._logs.values():
            log.forget(self._floor, self._since)
        self._bytes = 0
        self._mark = _NO_MARK
        self._marks.clear()
        _wake(self._everybody())

    # --- followers
    # -----------------------------------------------------------------------------------

    def admit(self, tenant_id: str, filters: Filters, after: Cursor | None = None) -> Follower:
        """A follower from this cursor on, or from now; it must be dismissed.

        Its first read raises `Behind` if this process lacks some event since. Raises
        `TooManyOfTenant`, `TooManyFollowers`.
        """
        if self._is_closed or len(self._everybody()) >= self._live.clients_max:
            raise TooManyFollowers("as many clients follow this process as it takes, or it stops")
        if len(self._followers.get(tenant_id, ())) >= self._live.clients_per_tenant:
            raise TooManyOfTenant("as many clients follow the tenant as may", _RETRY_SECONDS)
        log = self._log(tenant_id)
        follower = Follower(
            tenant_id, log, filters, self._number if after is None else self._position(log, after)
        )
        self._followers.setdefault(tenant_id, set()).add(follower)
        metrics.FOLLOWERS.set(len(self._everybody()))
        return follower

    def dismiss(self, follower: Follower) -> None:
        """It is forgotten. Safe to do twice."""
        those = self._followers.get(follower.tenant_id, set())
        those.discard(follower)
        if not those:
            self._followers.pop(follower.tenant_id, None)
        metrics.FOLLOWERS.set(len(self._everybody()))

    @property
    def is_followed(self) -> bool:
        return bool(self._followers)

    def now(self) -> Cursor:
        """After everything received so far."""
        return Cursor(self._clock(), self._number, self._instance, self._mark)

    def behind(self, entry: Entry) -> Cursor:
        """Just after this event."""
        return Cursor(entry.at, entry.number, self._instance, mark_of(entry.event.event_id))

    def close(self) -> None:
        """No followers are admitted any more, and those there are end."""
        self._is_closed = True
        for follower in self._everybody():
            follower.end()

    # --- positions and memory
    # ------------------------------------------------------------------------

    def _position(self, log: TenantLog, after: Cursor) -> int:
        """The last event's number before this cursor; below the log's floor if not known here."""
        unknown = log.floor - 1
        if after.instance == self._instance:
            return after.number if after.number <= self._number else unknown
        number, since = self._elsewhere(after)
        if not max(self._since, log.since) <= since <= self._clock():
            return unknown
        return max(log.floor, min(number, log.before(since)))

    def _elsewhere(self, after: Cursor) -> tuple[int, datetime]:
        """The first number and time here that the cursor's process may not have sent yet.

        If the event of its mark was received here, too, the two positions can be compared.
        Otherwise the clocks decide: that process may have lagged this one, but by less than the
        overlap, or the bus would have disconnected it.
        """
        if after.mark in self._marks:
            number, at = self._marks[after.mark]
            return number - DISORDER_EVENTS, at - DISORDER
        return self._number, after.at - timedelta(seconds=self._live.overlap_seconds)

    def _remember(self, entry: Entry) -> None:
        self._mark = mark_of(entry.event.event_id)
        self._marks[self._mark] = entry.number, entry.at
        if len(self._marks) > MARKS_KEPT:
            del self._marks[next(iter(self._marks))]

    def _log(self, tenant_id: str) -> TenantLog:
        if tenant_id not in self._logs:
            self._logs[tenant_id] = TenantLog(self._floor, self._since)
        return self._logs[tenant_id]

    def _make_room(self) -> None:
        """A busy tenant evicts its own events first."""
        while self._bytes > self._live.kept_megabytes * 1024 * 1024:
            largest = max(self._logs.values(), key=lambda log: log.bytes)
            self._bytes -= largest.bytes
            largest.drop_older_half()
            self._bytes += largest.bytes

    def _everybody(self) -> list[Follower]:
        return [follower for those in self._followers.values() for follower in those]


async def _nothing() -> None: ...


def _wake(followers: Iterable[Follower]) -> None:
    for follower in followers:
        follower.wake()
