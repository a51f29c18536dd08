"""Which clients are where. The tenant is part of a room's name: tenants never meet."""

from collections.abc import Iterator

from api.live.errors import TooManyOfTenant
from api.sockets.admission import Pass
from api.sockets.client import Client, Room
from blocks.contracts.claims.frames import frames_of
from blocks.contracts.envelope import Event
from blocks.contracts.events import PhaseEvent
from blocks.contracts.identities import spelled

ROOMS_PER_CLIENT = 50
_RETRY_SECONDS = 5.0

Addressed = tuple[Room, str, dict[str, object], str]
"""A frame of an event: its room, name, payload, and the event's id."""


def user_room(tenant_id: str, user_id: str) -> Room:
    return ("user", tenant_id, spelled(user_id))


def sync_room(tenant_id: str, user_id: str, sync_id: str) -> Room:
    return ("sync", tenant_id, spelled(user_id), sync_id)


def addressed(event: Event[PhaseEvent]) -> Iterator[Addressed]:
    """The frames of an event for all rooms that they concern.

    A journey may have several sync ids; each room of it gets its own.
    """
    tenant_id, data = event.tenant_id, event.data
    for frame in frames_of(data):
        marked = {**frame.data, "eventId": event.id}
        if frame.room == "user":
            yield user_room(tenant_id, data.user_id), frame.name, marked, event.id
            continue
        for sync_id in dict.fromkeys((data.sync_id, *data.other_sync_ids)):
            own = {**marked, "syncId": sync_id} if "syncId" in marked else marked
            yield sync_room(tenant_id, data.user_id, sync_id), frame.name, own, event.id


class Rooms:
    """Of this process."""

    def __init__(self, clients_per_tenant: int) -> None:
        self._per_tenant = clients_per_tenant
        self._members: dict[Room, set[Client]] = {}
        self._of_tenant: dict[str, set[Client]] = {}

    def admit(self, client: Client, admitted: Pass) -> Room:
        """The client is in its user's room, and in no other. Raises `TooManyOfTenant`."""
        others = self._of_tenant.get(admitted.tenant_id, set()) - {client}
        if len(others) >= self._per_tenant:
            raise TooManyOfTenant("as many clients follow the tenant as may", _RETRY_SECONDS)
        self.dismiss(client)
        client.admitted = admitted
        self._of_tenant.setdefault(admitted.tenant_id, set()).add(client)
        room = user_room(admitted.tenant_id, admitted.user_id)
        self.join(client, room)
        return room

    def join(self, client: Client, room: Room) -> None:
        client.rooms.add(room)
        self._members.setdefault(room, set()).add(client)

    def leave(self, client: Client, room: Room) -> None:
        client.rooms.discard(room)
        client.forget_replayed(room)
        _drop(self._members, room, client)

    def dismiss(self, client: Client) -> None:
        """It is in no room. Safe to do twice."""
        for room in tuple(client.rooms):
            self.leave(client, room)
        if client.admitted is not None:
            _drop(self._of_tenant, client.admitted.tenant_id, client)
            client.admitted = None

    def send(self, event: Event[PhaseEvent]) -> None:
        """Every client that is concerned gets the event's frames."""
        if event.tenant_id not in self._of_tenant:
            return
        for room, name, data, event_id in addressed(event):
            for client in self._members.get(room, ()):
                client.put(room, name, data, event_id)

    def users(self) -> set[tuple[str, str]]:
        """Tenants and users, as they were written, that are followed here."""
        return {
            (client.admitted.tenant_id, client.admitted.user_id)
            for those in self._of_tenant.values()
            for client in those
            if client.admitted
        }


def _drop(held: dict[Room, set[Client]] | dict[str, set[Client]], key: object, it: Client) -> None:
    members = held.get(key, set())  # type: ignore[call-overload]
    members.discard(it)
    if not members:
        held.pop(key, None)  # type: ignore[call-overload]
