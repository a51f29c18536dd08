"""The digest of notifications: what happened since the last one, one mail for each user.

Purpose: `collect`, `compile_all` and `send_all` are the three steps. Contract: a digest is known by
the end of its time, which is kept before anything is sent; under it each address has one record and
gets one mail, whatever is repeated. What could not be sent is sent by the next run, for 36 hours.
Pitfall: what happens meanwhile is in the digest after that.
"""

from blocks.operations.digests.collecting import collect as collect
from blocks.operations.digests.compiling import compile_all as compile_all
from blocks.operations.digests.sending import DigestsFailed as DigestsFailed
from blocks.operations.digests.sending import send_all as send_all
