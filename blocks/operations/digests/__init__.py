"""The digest of notifications: what happened since the last one, one mail for each user.

Purpose: `collect`, `compile_all` and `send_all` are the three steps. Contract: a digest is known by
the end of its time; under it each address has one record and gets one mail, whatever is repeated.
Pitfall: the next digest begins where the last one ended of which any mail was sent; an address that
could not be reached is tried again only by a retry of that run.
"""

from blocks.operations.digests.collecting import collect as collect
from blocks.operations.digests.compiling import compile_all as compile_all
from blocks.operations.digests.sending import DigestsFailed as DigestsFailed
from blocks.operations.digests.sending import send_all as send_all
