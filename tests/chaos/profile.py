"""How much happens in a run of the chaos driver."""

import msgspec


class Profile(msgspec.Struct, frozen=True, kw_only=True):
    """So many events at such a rate, and so many faults spread over that time."""

    events: int
    per_second: float
    kills: int
    """SIGKILLs of listeners, workers and the api."""
    broker_restarts: int
    server_restarts: int
    """Of Prefect's server, by SIGKILL."""
    freezes: int
    """A listener or worker is stopped for longer than it takes to be given up, and goes on then."""
    cuts: int
    """The broker closes every connection."""
    listeners: int = 2
    workers: int = 2
    apis: int = 1
    servers: int = 1
    """Of Prefect; several share a PostgreSQL and a Redis, and stand behind HAProxy."""
    rolling_restarts: int = 0
    """Every process of ours and every server is stopped in order and started again, one after the
    other. If there is one, the processes are of an older version before it.
    """
    tenants: int = 6
    settle_seconds: float = 180.0
    """How long it may take, after the last fault, until everything has ended."""

    @property
    def seconds(self) -> float:
        return self.events / self.per_second

    @property
    def faults(self) -> int:
        breaks = self.kills + self.broker_restarts + self.server_restarts
        return breaks + self.freezes + self.cuts + self.rolling_restarts


PROFILES = {
    "smallest": Profile(
        events=60,
        per_second=1.5,
        kills=3,
        broker_restarts=1,
        server_restarts=1,
        freezes=0,
        cuts=0,
        tenants=3,
    ),
    "ci": Profile(
        events=300, per_second=2.5, kills=8, broker_restarts=2, server_restarts=1, freezes=1, cuts=1
    ),
    "two-of-everything": Profile(
        events=300,
        per_second=2,
        kills=8,
        broker_restarts=1,
        server_restarts=3,
        freezes=1,
        cuts=1,
        apis=2,
        servers=2,
        rolling_restarts=1,
    ),
    "soak": Profile(
        events=10_000,
        per_second=6,
        kills=54,
        broker_restarts=12,
        server_restarts=6,
        freezes=4,
        cuts=4,
    ),
}
