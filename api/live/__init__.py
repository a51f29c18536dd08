"""The live view: a tenant's events as they happen, as server-sent events or over a WebSocket; docs/live.md.

Purpose: one `Hub` in each API process overhears the bus and keeps what it heard lately; every follower reads what is
kept at its own pace, so that a slow one holds up nobody and has no buffer that could grow.
Contract: a follower is told every event of its tenant that passes its filters, at least once and in order; where that
cannot be, it is told so (`resync`) and reads its executions again. No event is passed over in silence.
Pitfalls: what a follower was told last is a `Cursor`, good for any API process: another one goes back by some seconds,
so events can come twice; they are told apart by `eventId`.
"""
