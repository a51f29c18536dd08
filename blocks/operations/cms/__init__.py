"""The content of the platform's CMS, kept here as files that others read.

Purpose: `fetch` asks what has changed, `update_cache` replaces what readers see, `news_of` says it
to people. Contract: a file `<endpoint>.json` is always one complete answer of the CMS, and stays as
it is while the CMS is down. Pitfall: an endpoint that states no ETag and no date is fetched as a
whole each time; its bytes are compared.
"""

from blocks.operations.cms.content import CmsUnavailable as CmsUnavailable
from blocks.operations.cms.content import open_place as open_place
from blocks.operations.cms.fetching import fetch as fetch
from blocks.operations.cms.news import news_of as news_of
from blocks.operations.cms.updating import update_cache as update_cache
