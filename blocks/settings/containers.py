"""What the containers of the record store are called in the account."""

from collections.abc import Mapping

from blocks.contracts.records.base import CONTAINERS
from blocks.settings.sections import Containers


def named_containers(containers: Containers) -> Mapping[str, str]:
    """The name in the account of each container of `CONTAINERS`."""
    return {name: getattr(containers, name.removeprefix("workflow_")) for name in CONTAINERS}


def problem_of(containers: Containers) -> str | None:
    """What is wrong and what to do, in one line; None if nothing is."""
    names = list(named_containers(containers).values())
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        return (
            f"settings cosmos_db.containers name {', '.join(twice)} twice: each container needs a "
            "name of its own"
        )
    return None
