"""Pages that are asked for before people do, so that caches on the way hold them.

Contract: a page that does not answer is counted; the work fails only if none does. Pitfalls: a
cache that keeps pages by cookie or language is warmed for none.
"""

from blocks.operations.warmup.warming import warm_api as warm_api
from blocks.operations.warmup.warming import warm_cms as warm_cms
from blocks.operations.warmup.warming import warm_session as warm_session
