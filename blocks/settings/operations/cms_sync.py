"""The settings of the CMS's copy; docs/operations/cms-sync.md."""

from typing import Annotated

import msgspec

from blocks.contracts.reading.limits import TokenOrNone
from blocks.settings.operations.schedule import Scheduled


class CmsSync(Scheduled, frozen=True, kw_only=True):
    cms_url: str
    """Base URL of the CMS; empty: there is none."""
    core_url: str
    """Base URL of the platform's core, whose endpoints are asked for after each sync; empty: none.
    """
    token: TokenOrNone
    """Sent to the CMS as `Authorization: Bearer`; empty: none."""
    files_url: Annotated[str, msgspec.Meta(min_length=1)]
    """Where its content is kept: a folder (a relative one lies in `data_dir`), or what fsspec
    opens: `s3://bucket/prefix`, `abfs://container/prefix`.
    """

    def __repr__(self) -> str:
        return f"CmsSync(cron={self.cron!r}, cms_url={self.cms_url!r})"
