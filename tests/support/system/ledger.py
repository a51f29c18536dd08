"""Everything that went over the exchange, written down by a consumer that shares no code with the
sender.
"""

import json
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from typing import Any

from jsonschema import Draft202012Validator

from blocks.contracts.schemas import event_schemas
from blocks.ports import Accept, Delivery, EventBus, Queue, Verdict
from tests.support.waiting import eventually

TERMINAL = ("workflow.opportunity.analysis.completed", "workflow.opportunity.analysis.failed")
REQUESTED = (
    "workflow.risk.analysis.requested",
    "workflow.risk.scoring.requested",
    "workflow.forecast.requested",
    "workflow.recommendation.requested",
)

Envelope = dict[str, Any]


def whole(event: Envelope) -> Envelope:
    return event


def identity(event: Envelope) -> Envelope:
    """Only what distinguishes an event from others: a long run's ledger must fit into memory."""
    data = {name: event["data"][name] for name in ("workflowId", "stepId") if name in event["data"]}
    return {**{name: event[name] for name in ("id", "type", "tenantId", "source")}, "data": data}


class Ledger:
    """Lists what was seen, in the order it came, redeliveries included; of each event, what `keep`
    returns.
    """

    def __init__(self, keep: Callable[[Envelope], Envelope] = whole) -> None:
        self.seen: list[Envelope] = []
        self._keep = keep

    async def write_down(self, delivery: Delivery) -> Verdict:
        with suppress(
            ValueError, KeyError, TypeError
        ):  # what is no envelope is the dead-letter queue's to keep
            event = json.loads(delivery.message.body)
            if "type" in event:
                self.seen.append(self._keep(event))
        return Accept()

    def of(self, *types: str, tenant_id: str | None = None) -> list[Envelope]:
        """Events of these types, each id once."""
        found = {event["id"]: event for event in self.seen if event["type"] in types}
        return [event for event in found.values() if tenant_id in (None, event["tenantId"])]

    async def published(self, *types: str, count: int = 1) -> list[Envelope]:
        """Events of these types, as soon as there are so many."""

        async def enough() -> list[Envelope]:
            return found if len(found := self.of(*types)) >= count else []

        return await eventually(enough)

    def second_ids(self) -> dict[tuple[str, ...], set[str]]:
        """Things that were published under more than one id: should be empty."""
        ids: dict[tuple[str, ...], set[str]] = defaultdict(set)
        for event in self.of(*event_schemas()):
            data = event["data"]
            what = "the end" if event["type"] in TERMINAL else event["type"]
            step = data.get("stepId", "") if event["type"] not in REQUESTED else ""
            ids[(event["tenantId"], data.get("workflowId", event["id"]), what, step)].add(
                event["id"]
            )
        return {thing: found for thing, found in ids.items() if len(found) > 1}

    def second_wordings(self) -> list[str]:
        """Ids under which we published two different things: should be empty."""
        words: dict[str, Envelope] = {}
        return [
            event["id"] for event in self._ours() if words.setdefault(event["id"], event) != event
        ]

    def invalid(self) -> list[str]:
        """Events of ours that their exported schema does not allow: should be empty."""
        validators = {
            event_type: Draft202012Validator(
                schema, format_checker=Draft202012Validator.FORMAT_CHECKER
            )
            for event_type, schema in event_schemas().items()
        }
        return [
            f"{event['type']}: {error.message}"
            for event in self._ours()
            for error in validators[event["type"]].iter_errors(event)
        ]

    def _ours(self) -> list[Envelope]:
        return [event for event in self.seen if event["source"] == "workflow-orchestrator"]

    async def holds(self, counts: Mapping[str, int]) -> None:
        """Waits for so many different events of each type; fails if there are more."""
        for event_type, count in counts.items():
            found = await self.published(event_type, count=count)
            assert count == len(found), f"{len(found)} of {event_type}"


@asynccontextmanager
async def ledger_of(
    bus: EventBus, name: str, keep: Callable[[Envelope], Envelope] = whole
) -> AsyncIterator[Ledger]:
    """Writes down from now on, while the context lasts."""
    ledger = Ledger(keep)
    everything = Queue(name=f"ledger-{name}", bindings=("#",))
    await bus.declare(everything)
    async with bus.consume(everything, ledger.write_down, concurrency=100):
        yield ledger
