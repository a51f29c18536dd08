"""Celery and BullMQ at the same job, each with its worker, its broker and its results."""

import asyncio
import os
import subprocess
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec

from tests.benchmarks.processes import Part, machine_seconds, processor_seconds
from tests.benchmarks.stage import Stage
from tests.benchmarks.system import used
from tests.support.operations.redis_server import RedisServer

HERE = Path(__file__).parent
_REPOSITORY = HERE.parents[2]
INSTALLED = Path(os.environ.get("BENCH_PEERS") or _REPOSITORY / "build/peers")
_PYTHON = str(INSTALLED / "venv/bin/python")
_INSTALL_SECONDS = 300


async def why_not_installed() -> str | None:
    """None: both peers are there now, installed if need be. Else one line that says what failed."""
    try:
        done = await asyncio.to_thread(
            subprocess.run,
            [_REPOSITORY / "scripts/bench-peers"],
            capture_output=True,
            text=True,
            timeout=_INSTALL_SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return str(error)
    if done.returncode == 0:
        return None
    lines = (done.stderr or done.stdout).strip().splitlines()
    return lines[-1] if lines else f"exit code {done.returncode}"


async def celery_burst(stage: Stage, count: int) -> dict[str, Any]:
    """Chords on RabbitMQ, a process for each core."""
    async with _redis(stage) as redis:
        environment = {**os.environ, "RABBITMQ_URL": stage.rabbitmq.url, "REDIS_URL": redis.url}
        worker = Part(
            "worker",
            ("--app", "celery_chord", "--workdir", str(HERE), "worker", "--loglevel", "WARNING"),
            environment,
            stage.folder("celery"),
            program=(_PYTHON, "-m", "celery"),
        )
        publish = (_PYTHON, str(HERE / "celery_chord.py"))
        others = {"rabbitmq": stage.rabbitmq.pid, "redis": redis.pid}
        return await _burst(worker, publish, environment, others, count)


async def bullmq_burst(stage: Stage, count: int) -> dict[str, Any]:
    """Flows on Redis, in one process: Node's way, and most of the work is Redis's own."""
    async with _redis(stage) as redis:
        environment = {
            **os.environ,
            "NODE_PATH": str(INSTALLED / "node_modules"),
            "REDIS_PORT": str(redis.port),
        }
        program = ("node", str(HERE / "bullmq_flow.cjs"))
        worker = Part("worker", ("worker",), environment, stage.folder("bullmq"), program=program)
        return await _burst(worker, program, environment, {"redis": redis.pid}, count)


PEERS: Mapping[str, Callable[[Stage, int], Awaitable[dict[str, Any]]]] = {
    "Celery": celery_burst,
    "BullMQ": bullmq_burst,
}


async def _burst(
    worker: Part,
    publish: tuple[str, ...],
    environment: Mapping[str, str],
    others: Mapping[str, int],
    count: int,
) -> dict[str, Any]:
    """After one job has warmed everything: so many jobs, and the processor time they took."""

    def look() -> dict[str, float]:
        pids = {"worker": worker.pid, **others}
        seconds = {name: processor_seconds(pid) for name, pid in pids.items()}
        return seconds | {"machine": machine_seconds()}

    worker.start()
    try:
        await _publish(publish, environment, 1, worker)
        before, began = look(), os.times()
        told = await _publish(publish, environment, count, worker)
        after, ended = look(), os.times()
    finally:
        worker.stop()
    spent = used(before, after)
    # The publisher has ended, so its time is among that of this process's children.
    spent["publisher"] = (ended.children_user + ended.children_system) - (
        began.children_user + began.children_system
    )
    machine = spent.pop("machine")
    spent["not ours"] = machine - sum(spent.values())
    return {
        "executions": count,
        "per_second": count / told["seconds"],
        "published_after": told["published_after"],
        "processor_seconds": spent,
    }


async def _publish(
    program: tuple[str, ...], environment: Mapping[str, str], count: int, worker: Part
) -> dict[str, float]:
    process = await asyncio.create_subprocess_exec(
        *program, str(count), env=dict(environment), stdout=asyncio.subprocess.PIPE
    )
    output, _ = await process.communicate()
    assert process.returncode == 0, f"the publisher failed; its worker says:\n{worker.log[-3000:]}"
    return msgspec.json.decode(output, type=dict[str, float])


@asynccontextmanager
async def _redis(stage: Stage) -> AsyncIterator[RedisServer]:
    """Empty; appends to its file, and flushes that each second."""
    folder = str(stage.folder("redis"))
    redis = RedisServer("--appendonly", "yes", "--appendfsync", "everysec", "--dir", folder)
    await asyncio.to_thread(redis.start)
    try:
        yield redis
    finally:
        redis.kill()
