"""What the flows of all operations share: one recorded execution, and its steps."""

from flows.shared.operations.operation_run import Given as Given
from flows.shared.operations.recorded_execution import FLOW as FLOW
from flows.shared.operations.recorded_execution import recorded_execution as recorded_execution
