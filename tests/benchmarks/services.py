"""The answering services of a benchmark, in a process of their own: immediate answers, as cheaply
as it can be done.

    python -m tests.benchmarks.services QUEUE

reads its surroundings from the environment like every process of the system. No confirms and no
validation: what this process saves is there for what is measured.
"""

import asyncio
import json
import sqlite3
import sys
from functools import partial
from pathlib import Path
from typing import cast

import aiormq
from aiormq.abc import DeliveredMessage

from blocks.adapters.sqlite import event_tables as tables
from blocks.adapters.sqlite.file import SqliteFile
from blocks.adapters.sqlite.watch import SqliteWatch
from blocks.ports import Accept, Message, Queue
from blocks.settings import Settings, load_settings
from tests.support.system.analysis_services import answer_to

_BUNCH = 500
_PERSISTENT = 2


async def answer_on_rabbitmq(settings: Settings, queue: str) -> None:
    """Every request is answered until the process is ended. Each is acknowledged by being
    delivered.
    """
    connection = await aiormq.connect(settings.rabbitmq.url)
    channel = cast("aiormq.Channel", await connection.channel(publisher_confirms=False))
    exchange = settings.rabbitmq.exchange

    async def answer(request: DeliveredMessage) -> None:
        message = answer_to(json.loads(request.body))
        await channel.basic_publish(
            message.body,
            exchange=exchange,
            routing_key=message.routing_key,
            properties=aiormq.spec.Basic.Properties(
                message_id=message.id,
                message_type=message.routing_key,
                content_type="application/json",
                timestamp=message.timestamp,
                delivery_mode=_PERSISTENT,
            ),
            wait=False,
        )

    await channel.basic_consume(queue, answer, no_ack=True)
    await asyncio.get_running_loop().create_future()


async def answer_in_file(file: Path, queue: str) -> None:
    """Every request is answered until the process is ended, hundreds in one transaction."""
    async with SqliteFile(file, tables.SCHEMA) as bus, SqliteWatch(file) as watch:
        while True:
            await watch.until(partial(tables.has_due, queue=queue))
            claims = await bus.run(
                partial(tables.claim, queue=queue, owner="services", limit=_BUNCH, lease_seconds=30)
            )
            answers = [answer_to(json.loads(claim.delivery.message.body)) for claim in claims]
            await bus.run(partial(_settle, claims=claims, queue=queue, answers=answers))


def _settle(
    connection: sqlite3.Connection, claims: list[tables.Claim], queue: str, answers: list[Message]
) -> None:
    tables.publish(connection, answers, required=False)
    answered = [(claim, Accept()) for claim in claims]
    tables.settle(connection, answered, "services", Queue(name=queue, bindings=()))


def main() -> None:
    settings, queue = load_settings(), sys.argv[1]
    file = settings.embedded_file(settings.rabbitmq.url)
    asyncio.run(answer_in_file(file, queue) if file else answer_on_rabbitmq(settings, queue))


if __name__ == "__main__":
    main()
