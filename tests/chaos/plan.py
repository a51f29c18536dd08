"""What will be done and when, computed from a profile and a seed: the same two give
the same plan.
"""

from collections.abc import Iterator, Sequence
from itertools import cycle
from random import Random
from typing import Literal, TypeVar, get_args
from uuid import UUID

import msgspec

from blocks.contracts import ids
from blocks.contracts.analysis import WORKFLOW
from blocks.ports import Message
from tests.chaos.profile import Profile
from tests.chaos.services import early_answer
from tests.chaos.toxins import TOXINS
from tests.support.system.analysis_services import opportunity_event

FaultKind = Literal[
    "kill",
    "freeze",
    "broker killed",
    "broker stopped",
    "connections cut",
    "server killed",
    "rolling restart",
]
InterventionKind = Literal["cancelled", "approved", "rejected"]

T = TypeVar("T")

_ALONE_SECONDS, _ALONE_AFTER_SECONDS = 24.0, 10.0
"""Some faults get so much time of their own, and strike so long after its start: what is measured
then is theirs.
"""

_AGAIN, _SAME_SUBJECT, _EARLY, _TOXIC, _INTERVENED = 0.05, 0.10, 0.03, 0.03, 0.04
_SMALL, _LARGE = 1_000, 2_000_000
"""Amounts of deals: a person must decide only about a large one."""
_INTERVENTIONS: tuple[InterventionKind, ...] = ("cancelled", "approved", "cancelled", "rejected")


class Publish(msgspec.Struct, frozen=True, kw_only=True):
    """These messages go out at this second, in this order."""

    at: float
    messages: list[Message]


class Intervention(msgspec.Struct, frozen=True, kw_only=True):
    """From this second on, a person wants the execution cancelled, or its approval decided."""

    at: float
    kind: InterventionKind
    tenant_id: str
    execution_id: str


class Fault(msgspec.Struct, frozen=True, kw_only=True):
    """`target` is a process of ours, `broker`, a server of Prefect's, or `everything`; what is
    broken comes back after `seconds`.
    """

    at: float
    kind: FaultKind
    target: str
    seconds: float


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    tenant_ids: list[str]
    publishes: list[Publish]
    """In order of time."""
    interventions: list[Intervention]
    faults: list[Fault]
    """In order of time."""
    events: dict[str, str]
    """Id of each opportunity event to its tenant."""
    toxic: dict[str, str]
    """Id of each message that must be refused to the code for it."""
    answered_early: set[str]
    """Executions with a step that is answered before anyone asks for it."""


def plan_of(profile: Profile, seed: int) -> Plan:
    random = Random(seed)
    plan = Plan(
        tenant_ids=[_uuid(random) for _ in range(profile.tenants)],
        publishes=[],
        interventions=[],
        faults=sorted(_faults(profile, random), key=lambda fault: fault.at),
        events={},
        toxic={},
        answered_early=set(),
    )
    subjects: dict[str, str] = {}
    toxins = _spread(random, profile.events, _TOXIC, TOXINS)
    interventions = _spread(random, profile.events, _INTERVENED, _INTERVENTIONS)
    for number in range(profile.events):
        at = (number + random.random()) / profile.per_second
        _plan_event(
            plan, random, at, f"chaos {seed} event {number}", subjects, interventions.get(number)
        )
        if toxin := toxins.get(number):
            message = toxin.make(random.choice(plan.tenant_ids), f"chaos {seed} toxin {number}")
            plan.toxic[message.id] = toxin.code
            plan.publishes.append(Publish(at=at, messages=[message]))
    plan.publishes.sort(key=lambda publish: publish.at)
    return plan


def _spread(random: Random, events: int, share: float, kinds: Sequence[T]) -> dict[int, T]:
    """Numbers of so large a share of the events, each with a kind; every kind comes up."""
    numbers = random.sample(range(events), min(events, max(len(kinds), round(share * events))))
    return dict(zip(numbers, cycle(kinds), strict=False))


def _plan_event(
    plan: Plan,
    random: Random,
    at: float,
    name: str,
    subjects: dict[str, str],
    intervention: InterventionKind | None,
) -> None:
    """An opportunity event and what goes with it. `subjects` holds each tenant's last one that
    others may share.
    """
    tenant_id = random.choice(plan.tenant_ids)
    if intervention is None and tenant_id in subjects and random.random() < _SAME_SUBJECT:
        event = _event(tenant_id, subjects[tenant_id], name, _SMALL)
        plan.publishes.append(Publish(at=at, messages=[event]))
    else:
        event = _plan_of_its_own(plan, random, at, name, tenant_id, subjects, intervention)
    plan.events[event.id] = tenant_id
    if random.random() < _AGAIN:
        again = at + random.choice((0.0, random.uniform(0, 30)))
        plan.publishes.append(Publish(at=again, messages=[event] * random.randint(1, 3)))


def _plan_of_its_own(
    plan: Plan,
    random: Random,
    at: float,
    name: str,
    tenant_id: str,
    subjects: dict[str, str],
    intervention: InterventionKind | None,
) -> Message:
    """An event of a new opportunity. Only where no one intervenes in its execution may other
    events join it.
    """
    opportunity_id = _uuid(random)
    amount = _LARGE if intervention in ("approved", "rejected") else _SMALL
    event = _event(tenant_id, opportunity_id, name, amount)
    execution_id = ids.execution_id(tenant_id, WORKFLOW, event.id)
    messages = [event]
    if intervention:
        wanted_at = at + random.uniform(0, 6)
        plan.interventions.append(
            Intervention(
                at=wanted_at, kind=intervention, tenant_id=tenant_id, execution_id=execution_id
            )
        )
    elif random.random() < _EARLY:
        messages.append(early_answer(tenant_id, execution_id, opportunity_id))
        plan.answered_early.add(execution_id)
    else:
        subjects[tenant_id] = opportunity_id
    plan.publishes.append(Publish(at=at, messages=messages))
    return event


def _event(tenant_id: str, opportunity_id: str, name: str, amount: int) -> Message:
    """Each states the amount: one that no event states is unknown, and asks a person."""
    return opportunity_event(tenant_id, opportunity_id, id=name, metadata={"amount": amount})


# --- faults ---------------------------------------------------------------------------------------


def _faults(profile: Profile, random: Random) -> Iterator[Fault]:
    """Some kills of a worker and restarts of a broker have time of their own; the others come as
    they like.
    """
    kinds = _kinds(profile, random)
    alone = [
        (kind, target) for kind, target in kinds if kind == "kill" and target.startswith("worker")
    ]
    alone = alone[: 1 + profile.kills // 8]
    for one in alone:
        kinds.remove(one)
    span = max(profile.seconds - len(alone) * _ALONE_SECONDS, 5.0) / max(1, len(kinds))
    slots = [*((_ALONE_SECONDS, one) for one in alone[1:]), *((span, one) for one in kinds)]
    random.shuffle(slots)
    began = 0.0
    for width, (kind, target) in [*((_ALONE_SECONDS, one) for one in alone[:1]), *slots]:
        is_alone = width == _ALONE_SECONDS and (kind, target) in alone
        at = began + (_ALONE_AFTER_SECONDS if is_alone else random.uniform(0, width))
        yield Fault(at=at, kind=kind, target=target, seconds=_duration(kind, random))
        began += width


def _kinds(profile: Profile, random: Random) -> list[tuple[FaultKind, str]]:
    listeners = [f"listener-{number + 1}" for number in range(profile.listeners)]
    workers = [f"worker-{number + 1}" for number in range(profile.workers)]
    apis = [f"api-{number + 1}" for number in range(profile.apis)]
    servers = [f"server-{number + 1}" for number in range(profile.servers)]
    kinds: list[tuple[FaultKind, str]] = []
    for number in range(profile.kills):
        role = (workers, listeners, workers, listeners, apis)[number % 5]
        kinds.append(("kill", random.choice(role)))
    for number in range(profile.broker_restarts):
        kinds.append((("broker killed", "broker stopped")[number % 2], "broker"))
    kinds += [("server killed", random.choice(servers)) for _ in range(profile.server_restarts)]
    kinds += [("freeze", random.choice(workers + listeners)) for _ in range(profile.freezes)]
    kinds += [("connections cut", "broker")] * profile.cuts
    kinds += [("rolling restart", "everything")] * profile.rolling_restarts
    return kinds


def _duration(kind: FaultKind, random: Random) -> float:
    assert kind in get_args(FaultKind)
    match kind:
        case "freeze":
            return random.uniform(8, 15)
        case "server killed" | "broker killed" | "broker stopped":
            return random.uniform(0.1, 5)
    return random.uniform(0.1, 3)


def _uuid(random: Random) -> str:
    return str(UUID(int=random.getrandbits(128), version=4))
