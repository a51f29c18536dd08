"""The health of the platform: its containers, endpoints and database, and who is notified.

Contract: what is unhealthy is a result, and no failure of its step. A part is down once it has
failed for the time of grace, and up once it has worked as long; people are notified of the parts
that are down, when these are others than before. Pitfalls: what was not asked is neither up nor
down, and stays as it was.
"""

from blocks.operations.health.aggregation import aggregate as aggregate
from blocks.operations.health.aggregation import looks_of as looks_of
from blocks.operations.health.alerting import alert as alert
from blocks.operations.health.containers import check_containers as check_containers
from blocks.operations.health.database import check_database as check_database
from blocks.operations.health.endpoints import check_endpoints as check_endpoints
