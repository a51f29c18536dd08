"""Examples of API keys."""

from datetime import timedelta

from msgspec.structs import replace

from api.documentation.requests import add_requests
from api.http.example_data import BEGIN, TENANT
from api.keys.documents import KeyList, NewKey, key_of
from api.keys.documents import created_of as created_key_of
from blocks.contracts import ids
from blocks.contracts.records import ApiKeyRecord

_API_KEY = ApiKeyRecord(
    id="api-key:8c1f0a6b2d4e",
    tenant_id=ids.SYSTEM_TENANT,
    created_at=BEGIN,
    tenant=TENANT,
    prefix="8c1f0a6b2d4e",
    name="billing",
    roles=["viewer"],
    digest="",
    expires_at=BEGIN + timedelta(days=90),
    last_used_at=BEGIN + timedelta(minutes=20),
)
KEY = key_of(_API_KEY)
KEY_LIST = KeyList(items=[KEY])
CREATED_KEY = created_key_of(replace(_API_KEY, last_used_at=None), "wfo_8c1f0a6b2d4e_…")
add_requests(NewKey(name="billing", roles=["viewer"], days=90))
