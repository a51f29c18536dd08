"""The analysis services of a chaos run: some answer late, some twice, in any order, as the seed
says.
"""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from random import Random

from blocks.contracts import ids
from blocks.ports import Accept, Delivery, EventBus, Message, Queue, Verdict
from tests.support.system.analysis_services import answer_to
from tests.support.system.ledger import REQUESTED

_AT_ONCE = 500
_DELAYS = ((0.70, 0.3), (0.95, 2.0), (1.0, 8.0))
"""Up to this share of requests is answered within so many seconds."""
_COPIES = (1,) * 17 + (2, 2, 3)


@asynccontextmanager
async def chaotic_services(bus: EventBus, name: str, seed: int) -> AsyncIterator[Queue]:
    """They answer while the context lasts; an answer that the broker did not confirm is given
    again.
    """

    async def serve(delivery: Delivery) -> Verdict:
        request = json.loads(delivery.message.body)
        random = Random(f"{seed} {request['id']}")
        share = random.random()
        await asyncio.sleep(
            random.uniform(0, next(longest for upto, longest in _DELAYS if share <= upto))
        )
        await bus.publish(*[answer_to(request)] * random.choice(_COPIES))
        return Accept()

    requests = Queue(name=f"services-{name}", bindings=REQUESTED)
    await bus.declare(requests)
    async with bus.consume(requests, serve, concurrency=_AT_ONCE):
        yield requests


def early_answer(tenant_id: str, execution_id: str, opportunity_id: str) -> Message:
    """The answer to a request that will be made when the execution has begun, under the id it will
    have then.
    """
    request = {
        "id": ids.step_requested_event_id(execution_id, "risk_scoring"),
        "type": "workflow.risk.scoring.requested",
        "tenantId": tenant_id,
        "data": {"workflowId": execution_id, "opportunityId": opportunity_id},
    }
    return answer_to(request)
