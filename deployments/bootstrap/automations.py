"""Prefect's automations that notify operators. They come switched off, and are theirs from then
on.

Prefect names a state's event after the name of the state, not its type: `prefect.flow-run.Failed`.
Its server loads no automation that is off, so until then they cost nothing.
"""

from datetime import timedelta
from uuid import UUID

import msgspec
from prefect.automations import AutomationCore, DoNothing, EventTrigger, Posture, SendNotification
from prefect.client.orchestration import PrefectClient
from prefect.exceptions import ObjectNotFound

from blocks.adapters.prefect.flow_runs import TAG
from blocks.ports.flow_runs import REFUSED
from blocks.settings import BadSetting
from blocks.settings.sections import Prefect
from deployments.bootstrap.prefect_yaml import docker_pool

_TAGGED = {"prefect.resource.id": f"prefect.tag.{TAG}", "prefect.resource.role": "tag"}
_RUN = (
    "Flow run {{ flow_run.name }} is {{ flow_run.state.name }}. "
    "{{ flow_run.state.message or '' }}\n{{ flow_run|ui_url or '' }}"
)
_POOL = "Work pool {{ work_pool.name }} is not ready.\n{{ work_pool|ui_url or '' }}"


class Watch(msgspec.Struct, frozen=True, kw_only=True):
    """What an operator may be notified of. After a notification, none follows for `quiet`."""

    name: str
    description: str
    events: tuple[str, ...]
    quiet: timedelta = timedelta(0)

    @property
    def title(self) -> str:
        return f"{TAG}: {self.name}"


WATCHES = (
    Watch(
        name="a run failed",
        description="A run of ours ended as Failed or Crashed, after all its tries, or was Refused "
        "as it was started. A crashed one is run again by itself, up to ten times.",
        events=(
            "prefect.flow-run.Failed",
            "prefect.flow-run.Crashed",
            f"prefect.flow-run.{REFUSED}",
        ),
    ),
    Watch(
        name="a batch failed in part",
        description="Some executions of a batch failed; the state's message has how many.",
        events=("prefect.flow-run.PartlyFailed",),
    ),
    Watch(
        name="a run is late",
        description="A run was not picked up fifteen seconds after its time: too few workers, or "
        "none. At most one notification in ten minutes.",
        events=("prefect.flow-run.Late",),
        quiet=timedelta(minutes=10),
    ),
    Watch(
        name="no worker polls",
        description="The last worker of a pool is gone: nothing runs there until one is started.",
        events=("prefect.work-pool.not-ready",),
    ),
)


async def create_automations(client: PrefectClient, settings: Prefect) -> list[str]:
    """Each automation exists; a new one is off. Returns their names.

    One that is there stays as it is, but for one thing: while it does nothing yet, it is given the
    notification block of the settings. Raises `BadSetting` if Prefect has no such block.
    """
    block_id = await _notification_block(client, settings.notification_block)
    for watch in WATCHES:
        there = await client.read_automations_by_name(watch.title)
        if not there:
            await client.create_automation(automation(watch, settings.work_pool, block_id))
        for one in there:
            if block_id and one.actions == [DoNothing()]:
                kept = one.model_dump(exclude={"id", "owner_resource", "actions"})
                notifying = AutomationCore(**kept, actions=[_action(watch, block_id)])
                await client.update_automation(one.id, notifying)
    return [watch.title for watch in WATCHES]


def automation(watch: Watch, work_pool: str, block_id: UUID | None) -> AutomationCore:
    """Switched off. Without a block, it does nothing even when it is on."""
    of_pool = any(event.startswith("prefect.work-pool.") for event in watch.events)
    match: dict[str, str | list[str]] = (
        {"prefect.resource.name": [work_pool, docker_pool(work_pool)]}
        if of_pool
        else {"prefect.resource.id": "prefect.flow-run.*"}
    )
    return AutomationCore(
        name=watch.title,
        description=watch.description,
        enabled=False,
        tags=[TAG],
        trigger=EventTrigger(
            expect=set(watch.events),
            match=match,
            match_related={} if of_pool else _TAGGED,
            posture=Posture.Reactive,
            threshold=1,
            within=watch.quiet,
        ),
        actions=[_action(watch, block_id)],
    )


def _action(watch: Watch, block_id: UUID | None) -> DoNothing | SendNotification:
    if block_id is None:
        return DoNothing()
    of_pool = any(event.startswith("prefect.work-pool.") for event in watch.events)
    return SendNotification(
        block_document_id=block_id, subject=watch.title, body=_POOL if of_pool else _RUN
    )


async def _notification_block(client: PrefectClient, named: str) -> UUID | None:
    if not named:
        return None
    slug, _, name = named.partition("/")
    try:
        return (await client.read_block_document_by_name(name, slug)).id
    except ObjectNotFound:
        raise BadSetting(
            f"setting prefect.notification_block (PREFECT_NOTIFICATION_BLOCK) is {named!r}: "
            "Prefect has no such block; create it there first"
        ) from None
