"""Backups of PostgreSQL databases: made, proven, kept for a time, and the way back.

Purpose: `create`, `store` and `clean` make one, and are what a person calls by hand; `create_all`,
`store_all` and `clean_all` are the steps of the flow `database-backup`; `restore` is the way back.
Contract: a backup counts when its evidence is in the store, which is written last: until then the
earlier ones stay, whenever a process is killed. Nothing is deleted before a newer one is verified.
One process at a time works on the backups of a database. Pitfalls: tables and rows are compared,
not contents; the archive's SHA-256 proves bytes.
"""

from blocks.operations.backups.all_databases import clean_all as clean_all
from blocks.operations.backups.all_databases import create_all as create_all
from blocks.operations.backups.all_databases import store_all as store_all
from blocks.operations.backups.catalogue import Backup as Backup
from blocks.operations.backups.catalogue import Evidence as Evidence
from blocks.operations.backups.catalogue import backup_name as backup_name
from blocks.operations.backups.catalogue import backups as backups
from blocks.operations.backups.catalogue import newest_verified as newest_verified
from blocks.operations.backups.errors import BackupFailed as BackupFailed
from blocks.operations.backups.errors import NotVerified as NotVerified
from blocks.operations.backups.errors import Refused as Refused
from blocks.operations.backups.news import news_of as news_of
from blocks.operations.backups.place import Place as Place
from blocks.operations.backups.place import place_of as place_of
from blocks.operations.backups.restoring import Restored as Restored
from blocks.operations.backups.restoring import restore as restore
from blocks.operations.backups.retention import clean as clean
from blocks.operations.backups.storing import create as create
from blocks.operations.backups.storing import store as store
from blocks.operations.backups.verification import verify as verify
