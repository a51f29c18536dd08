"""The analyses that a flow run takes up, each with the rules that it started with."""

import asyncio
import logging
from collections.abc import Sequence
from contextlib import suppress
from functools import partial

import prefect.runtime.flow_run

from blocks.actions.failing import fail_execution
from blocks.contracts import rejections
from blocks.contracts.analysis import WORKFLOW
from blocks.contracts.records import WorkflowDefinition
from blocks.definitions.versions import read_definition
from blocks.ports import NotFound, UnreadableRecord
from flows.analysis.progress import Analysis, AnalysisRules, rules_in
from flows.shared.claims import claim_all
from flows.shared.runtime import Runtime

log = logging.getLogger(__name__)

UNTIL_GONE_SECONDS = (0.5, 1.0, 2.0)
"""Pauses after which a version of a definition is looked for again: a replica may lag behind."""


async def claim_analyses(
    context: Runtime, tenant_id: str, execution_ids: Sequence[str]
) -> list[Analysis]:
    """The executions of this list that are this run's to do.

    One whose version of the definition is gone or cannot be read has failed: without its rules it
    cannot be judged. Raises `UnreadableRecord`, before any is claimed, if the definition in force
    cannot be read.
    """
    flow_run_id = str(prefect.runtime.flow_run.id)
    definition = await read_definition(context.store, tenant_id, WORKFLOW, context.settings)
    claimed = await claim_all(
        context, tenant_id, execution_ids, flow_run_id, definition.version, workflow=WORKFLOW
    )
    rules: dict[int | None, AnalysisRules] = {definition.version: rules_in(definition)}
    for version in {stored.record.definition_version for stored in claimed} - rules.keys():
        try:
            rules[version] = rules_in(await _kept(context, tenant_id, version))
        except (NotFound, UnreadableRecord) as problem:
            error = f"version {version} of its definition cannot be had: {problem}"
            of_version = [one for one in claimed if one.record.definition_version == version]
            log.error("%d executions are failed: %s", len(of_version), error)
            for stored in of_version:
                await fail_execution(
                    context.store, context.bus, stored, rejections.RUN_FAILED, error
                )
    return [
        Analysis(stored, rules[version])
        for stored in claimed
        if (version := stored.record.definition_version) in rules
    ]


async def _kept(context: Runtime, tenant_id: str, version: int | None) -> WorkflowDefinition:
    read = partial(read_definition, context.store, tenant_id, WORKFLOW, context.settings, version)
    for pause in UNTIL_GONE_SECONDS:
        with suppress(NotFound):
            return await read()
        await asyncio.sleep(pause)
    return await read()
