"""The platform's side of the batch jobs, on the real broker, with plain aio-pika: no code of ours
takes part.
"""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import aio_pika

from tests.support.waiting import eventually

Trigger = dict[str, Any]


class BatchWorker:
    """A foreign consumer of the batch jobs queue: lists what it gets, redeliveries included, and
    can report.
    """

    def __init__(self, exchange: aio_pika.abc.AbstractExchange) -> None:
        self._exchange = exchange
        self.envelopes: list[dict[str, Any]] = []
        self.message_ids: list[str | None] = []

    async def take(self, message: aio_pika.abc.AbstractIncomingMessage) -> None:
        self.envelopes.append(json.loads(message.body))
        self.message_ids.append(message.message_id)
        await message.ack()

    def of(self, job: str) -> list[Trigger]:
        """The data of the job's triggers, as often as they came."""
        return [envelope["data"] for envelope in self.envelopes if envelope["data"]["job"] == job]

    async def got(self, job: str, count: int = 1, within_seconds: float = 40.0) -> list[Trigger]:
        async def enough() -> list[Trigger]:
            return found if len(found := self.of(job)) >= count else []

        return await eventually(enough, within_seconds=within_seconds)

    async def report(
        self, job: str, error: str | None = None, at: datetime | None = None, id: str = ""
    ) -> None:
        """As risk-analytics does it: the job's name, and no run id."""
        moment = (at or datetime.now(UTC)).isoformat()
        outcome = (
            {"error": error, "failedAt": moment}
            if error
            else {"status": "success", "completedAt": moment}
        )
        kind = "workflow.job.failed" if error else "workflow.job.completed"
        envelope = {
            "id": id or str(uuid4()),
            "type": kind,
            "version": "1.0",
            "timestamp": datetime.now(UTC).isoformat(),
            "tenantId": "00000000-0000-0000-0000-000000000001",
            "source": {"service": "risk-analytics", "instance": "risk-analytics-1-1"},
            "data": {"job": job, **outcome},
        }
        message = aio_pika.Message(json.dumps(envelope).encode(), message_id=str(envelope["id"]))
        await self._exchange.publish(message, routing_key=kind)


@asynccontextmanager
async def batch_worker(url: str, exchange: str, queue: str) -> AsyncIterator[BatchWorker]:
    """Consumes while the context lasts; the queue must be there."""
    async with await aio_pika.connect(url) as connection:
        channel = await connection.channel()
        worker = BatchWorker(await channel.get_exchange(exchange))
        await (await channel.get_queue(queue)).consume(worker.take)
        yield worker
