"""Performance: measured everywhere, acted on only where the settings allow it.

Purpose: `measure` reads figures of this machine, PostgreSQL and Redis; `free_memory` and `vacuum`
act. Contract: of the servers, they touch nothing but the keys and tables that the settings name,
and return the figures from before and after. Pitfalls: without these settings no server is ever
changed, and with them only above a limit, because the schedule comes every quarter of an hour.
"""

from blocks.operations.performance.freeing import free_memory as free_memory
from blocks.operations.performance.measuring import measure as measure
from blocks.operations.performance.vacuuming import TablesFailed as TablesFailed
from blocks.operations.performance.vacuuming import vacuum as vacuum
