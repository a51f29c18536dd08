"""The section as a whole."""

import msgspec

from blocks.settings.operations.database_backup import DatabaseBackup


class Operations(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Maintenance workflows; docs/operations.md."""

    database_backup: DatabaseBackup
