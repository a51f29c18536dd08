"""The maintenance workflows of the platform: what each is called, does, and when it runs.

Purpose: one table, read by the registry, the flows, the schedules, the triggers and the API.
Contract: ids, names, steps, crons, events and retries are those of the platform's operations
service; `limit_seconds` of a step is longer than its 30 s where the work needs it. Pitfalls: all
executions belong to the system tenant; one that is listed here needs a flow in `flows/operations`
and a stanza in `prefect.yaml`.
"""

from blocks.contracts.operations.catalogue import OPERATIONS as OPERATIONS
from blocks.contracts.operations.catalogue import operation_named as operation_named
from blocks.contracts.operations.operation import Operation as Operation
from blocks.contracts.operations.operation import Step as Step
