"""Each kind of fault: how it is caused, how it is mended, and when the system has recovered from
it.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping

import msgspec

from blocks.contracts.records import ExecutionRecord
from blocks.ports import Stored
from blocks.queries import every
from tests.chaos.plan import Fault, FaultKind
from tests.chaos.system import READY_SECONDS, ChaosSystem, Part
from tests.support.waiting import eventually

_LOOK_SECONDS = 0.2


class Struck(msgspec.Struct, kw_only=True):
    """A fault as it went; moments in seconds since 1970."""

    kind: FaultKind
    target: str
    began: float
    up: float = 0.0
    """When what was broken was started again and, if a server, answered."""
    recovered: float = 0.0
    """When it did its work again."""
    executions_held: int = 0
    """How many executions a killed worker was carrying."""
    executions_moved_seconds: float | None = None
    """From its end until the last of them had been claimed elsewhere or had ended."""


async def strike(system: ChaosSystem, fault: Fault, tenant_ids: list[str]) -> Struck:
    """The fault has come and gone. Fails if the system does not recover from it."""
    return await _FAULTS[fault.kind](system, fault, tenant_ids)


async def _kill(system: ChaosSystem, fault: Fault, tenant_ids: list[str]) -> Struck:
    part = system.parts[fault.target]
    async with part.busy, asyncio.TaskGroup() as group:
        held = await _held_by(system, part, tenant_ids)
        part.kill()
        struck = Struck(
            kind=fault.kind, target=fault.target, began=time.time(), executions_held=len(held)
        )
        if held:
            group.create_task(_measure_move(system, struck, held))
        await asyncio.sleep(fault.seconds)
        struck.up = await system.start(part)
        struck.recovered = time.time()
    return struck


async def _freeze(system: ChaosSystem, fault: Fault, tenant_ids: list[str]) -> Struck:
    """Others take it for dead, and then it goes on where it was."""
    part = system.parts[fault.target]
    async with part.busy:
        struck = Struck(kind=fault.kind, target=fault.target, began=time.time())
        part.freeze()
        await asyncio.sleep(fault.seconds)
        part.thaw()
        struck.up = struck.recovered = time.time()
    return struck


async def _kill_broker(system: ChaosSystem, fault: Fault, tenant_ids: list[str]) -> Struck:
    return await _restart_broker(system, fault, system.broker.kill, system.broker.start)


async def _stop_broker(system: ChaosSystem, fault: Fault, tenant_ids: list[str]) -> Struck:
    return await _restart_broker(system, fault, system.broker.stop_app, system.broker.start_app)


async def _cut_connections(system: ChaosSystem, fault: Fault, tenant_ids: list[str]) -> Struck:
    def cut() -> None:
        system.broker.ctl("close_all_connections", "chaos")

    return await _restart_broker(system, fault, cut, lambda: None)


async def _restart_broker(
    system: ChaosSystem, fault: Fault, down: Callable[[], None], up: Callable[[], None]
) -> Struck:
    async with system.broker_busy:
        struck = Struck(kind=fault.kind, target=fault.target, began=time.time())
        await asyncio.to_thread(down)
        await asyncio.sleep(fault.seconds)
        await asyncio.to_thread(up)
        struck.up = time.time()
        await _consuming_again(system, struck.up)
        struck.recovered = time.time()
    return struck


async def _kill_server(system: ChaosSystem, fault: Fault, tenant_ids: list[str]) -> Struck:
    async with system.server_busy:
        struck = Struck(kind=fault.kind, target=fault.target, began=time.time())
        server = system.servers[fault.target]
        server.kill()
        await asyncio.sleep(fault.seconds)
        await asyncio.to_thread(server.start)
        struck.up = struck.recovered = time.time()
    return struck


async def _restart_everything(system: ChaosSystem, fault: Fault, tenant_ids: list[str]) -> Struck:
    """As scripts/rolling-update does it: each works again before the next one is stopped."""
    struck = Struck(kind=fault.kind, target=fault.target, began=time.time())
    for server in system.servers.values():
        async with system.server_busy:
            await asyncio.to_thread(server.stop)
            await asyncio.to_thread(server.start)
    for role in ("listener", "api", "worker"):
        for part in system.of(role):
            async with part.busy:
                await asyncio.to_thread(part.stop)
                part.process.source = None
                await system.start(part)
    struck.up = struck.recovered = time.time()
    return struck


_FAULTS: Mapping[FaultKind, Callable[[ChaosSystem, Fault, list[str]], Awaitable[Struck]]] = {
    "kill": _kill,
    "freeze": _freeze,
    "broker killed": _kill_broker,
    "broker stopped": _stop_broker,
    "connections cut": _cut_connections,
    "server killed": _kill_server,
    "rolling restart": _restart_everything,
}


async def _consuming_again(system: ChaosSystem, since: float) -> None:
    """Every listener that is not itself being broken has reported it after that moment."""

    async def all_say_so() -> bool:
        listeners = [part for part in system.of("listener") if not part.busy.locked()]
        lives = [await system.life_of(part) for part in listeners]
        return all(life and life.ready and life.beat_at.timestamp() > since for life in lives)

    await eventually(all_say_so, within_seconds=READY_SECONDS, every_seconds=_LOOK_SECONDS)


# --- what becomes of a killed worker's executions -------------------------------------------------


async def _held_by(
    system: ChaosSystem, part: Part, tenant_ids: list[str]
) -> list[Stored[ExecutionRecord]]:
    """The executions that only this process carries."""
    life = await system.life_of(part) if part.role == "worker" else None
    if life is None:
        return []
    return [
        stored
        for tenant_id in tenant_ids
        async for stored in every(system.store, tenant_id, ExecutionRecord, {"status": "running"})
        if stored.record.flow_run_id in life.flow_run_ids
    ]


async def _measure_move(
    system: ChaosSystem, struck: Struck, held: list[Stored[ExecutionRecord]]
) -> None:
    """Writes down when all of them were in other hands. They may never be: the audit at the end
    sees that.
    """
    waiting = {stored.record.id: stored.record for stored in held}

    async def all_moved() -> bool:
        for record in list(waiting.values()):
            now = (await system.store.read(record.tenant_id, ExecutionRecord, record.id)).record
            if now.attempt > record.attempt or now.status != "running":
                del waiting[record.id]
        return not waiting

    try:
        await eventually(all_moved, within_seconds=READY_SECONDS, every_seconds=_LOOK_SECONDS)
    except AssertionError:
        struck.executions_moved_seconds = READY_SECONDS
    else:
        struck.executions_moved_seconds = time.time() - struck.began
