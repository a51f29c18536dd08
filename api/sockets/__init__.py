"""Claim recovery live over Socket.IO, as the platform's pages know it; docs/claim-live.md.

Purpose: one `Sockets` in each API process subscribes to the events of phases and sends each user's
pages the frames that `blocks.contracts.claims.frames` makes of them.
Contract: a client that authenticates, or subscribes to a sync, first receives what it missed, from
the log of phases, and then what happens. Frames come at least once; `eventId` is the same each
time. Rooms have the tenant of the credential in their name, so that tenants never meet.
Pitfalls: Socket.IO keeps nothing for who was away: a page has to authenticate after each connect,
and to state where it stands. A client that reads too slowly is disconnected and reconnects by
itself; what it missed is replayed to it.
"""
