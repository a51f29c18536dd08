"""The live view: a tenant's events, as server-sent events or over a WebSocket; docs/live.md.

Purpose: one `Hub` in each API process subscribes to the bus and keeps the latest events; every
follower reads them at its own pace, so that a slow one blocks no other and needs no unbounded
buffer.
Contract: a follower gets every event of its tenant that passes its filters, at least once and in
order; where that is impossible, it gets `resync` and reads its executions again. No event is lost
silently.
Pitfalls: the position of a follower is a `Cursor`, valid in any API process: another one resumes
some seconds earlier, so events can come twice; deduplicate by `eventId`.
"""

from api.live import errors

__all__ = ["errors"]  # whoever imports from here has its errors answered
