"""Examples of stand-ins."""

from datetime import timedelta

from api.http.example_data import BEGIN, TENANT
from api.stand_ins.documents import StandInList, stand_in_of
from blocks.contracts import ids
from blocks.contracts.records import StandInRecord

STAND_IN = stand_in_of(
    StandInRecord(
        id=ids.stand_in_id(TENANT, "u-208"),
        tenant_id=TENANT,
        created_at=BEGIN,
        person="u-208",
        roles=["approver", "sales-director"],
        stand_in="u-311",
        starts_at=BEGIN + timedelta(days=1),
        ends_at=BEGIN + timedelta(days=15),
    )
)
STAND_IN_LIST = StandInList(items=[STAND_IN])
