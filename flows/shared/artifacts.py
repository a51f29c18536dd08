"""Prefect's artifacts of the present flow run: what operators see beside its states and log.

Contract: an artifact is for the eye. The records are the truth, so no run fails or waits for long
because Prefect did not take one. Pitfalls: `prefect.artifacts` and the client's `create_artifact`
also send an event that repeats the whole content; and for one with a key, the server keeps a
collection of its versions and sends an event for it, which costs it twice as much as the artifact.
"""

import asyncio
import logging
from collections.abc import Iterable, Mapping, Sequence
from uuid import UUID

import msgspec
import prefect.runtime.flow_run
from prefect.client.orchestration import get_client
from prefect.client.schemas.actions import ArtifactCreate

log = logging.getLogger(__name__)

LIMIT_SECONDS = 5.0
"""So long a run waits for Prefect to take what is for the eye: Prefect's client repeats refused
requests for a minute.
"""


class Shown(msgspec.Struct, frozen=True, kw_only=True):
    """An artifact. It has no key, so it stands on the page of its run alone."""

    type: str
    data: str | float
    description: str | None = None


def markdown(content: str) -> Shown:
    return Shown(type="markdown", data=content)


def table(rows: Sequence[Mapping[str, str]], description: str) -> Shown:
    """Cells and description are Markdown."""
    data = msgspec.json.encode(rows).decode()
    return Shown(type="table", data=data, description=description)


async def show(artifacts: Iterable[Shown]) -> list[UUID]:
    """The run has these artifacts; returns their ids, none outside a flow run, and fewer with a
    line in the log when Prefect did not take them.
    """
    flow_run_id = prefect.runtime.flow_run.id
    created: list[UUID] = []
    if flow_run_id is None:
        return created
    try:
        async with asyncio.timeout(LIMIT_SECONDS), get_client() as client:
            for shown in artifacts:
                wanted = ArtifactCreate(
                    flow_run_id=UUID(flow_run_id),
                    type=shown.type,
                    description=shown.description,
                    data=shown.data,
                )
                answer = await client.request(
                    "POST",
                    "/artifacts/",
                    json=wanted.model_dump(mode="json", exclude_none=True),
                )
                created.append(UUID(answer.json()["id"]))
    except Exception as error:  # of any kind: it decides nothing
        log.warning("Prefect has not taken an artifact of this run: %s", type(error).__name__)
    return created


async def change(artifact_id: UUID, data: float, description: str) -> None:
    """The artifact shows this; as before, with a line in the log, when Prefect does not answer."""
    try:
        async with asyncio.timeout(LIMIT_SECONDS), get_client() as client:
            await client.request(
                "PATCH",
                "/artifacts/{id}",
                path_params={"id": artifact_id},
                json={"data": data, "description": description},
            )
    except Exception as error:  # of any kind: it decides nothing
        log.warning("Prefect has not taken the progress of this run: %s", type(error).__name__)
