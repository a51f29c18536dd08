"""Who is who: the names under which one person acts on an approval; pure.

A token may prove further names of its user (`JWT_USER_ALIASES`). The record has each person under
one name, and keeps the others in `other_names`: whichever of them comes later, through whatever
channel, is the same person, with one vote.
"""

from collections.abc import Iterable, Sequence

from msgspec.structs import replace

from blocks.contracts.approvals import Approvers, Decision
from blocks.contracts.identities import spelled
from blocks.contracts.records import ApprovalRecord


def knowing(approval: ApprovalRecord, actor: str, others: Iterable[str]) -> ApprovalRecord:
    """The approval that also knows these other names of the actor, as a credential proves them."""
    known = approval.other_names
    more = {spelled(other) for other in others} - {spelled(actor), *known.get(actor, ())}
    if not more:
        return approval
    return replace(approval, other_names={**known, actor: sorted({*known.get(actor, ()), *more})})


def names_of(approval: ApprovalRecord, name: str) -> frozenset[str]:
    """Every name of the person who goes by this one, in their one spelling."""
    names, groups = (
        {spelled(name)},
        [{spelled(actor), *others} for actor, others in approval.other_names.items()],
    )
    while joined := [group for group in groups if not names.isdisjoint(group)]:
        names.update(*joined)
        groups = [group for group in groups if group not in joined]
    return frozenset(names)


def is_same(approval: ApprovalRecord, name: str, others: Iterable[str]) -> bool:
    """Whether the person who goes by this name is one of those."""
    return not names_of(approval, name).isdisjoint(spelled(other) for other in others)


def how_many(approval: ApprovalRecord, names: Iterable[str]) -> int:
    """How many different people go by these names."""
    return len({names_of(approval, name) for name in names})


def parties(approval: ApprovalRecord, decisions: Sequence[Decision]) -> int:
    """How many different parties have decided: a stand-in and the absent person are one."""
    together = approval
    for one in decisions:
        together = knowing(together, one.actor, filter(None, [one.on_behalf_of]))
    return how_many(together, [one.actor for one in decisions])


def include(
    approval: ApprovalRecord, approvers: Approvers, name: str, roles: frozenset[str]
) -> bool:
    """Whether the person is one of the approvers, under whatever name or by a role."""
    return any(approvers.include(one, roles) for one in names_of(approval, name))
