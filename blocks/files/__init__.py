"""Files of the system's own in a folder or an object store: proof packets, backups of databases.

Purpose: `open_files` opens the place that a setting names. Contract: a reader sees an object whole
or not at all: object stores write so themselves, in a folder a file gets its name when it is
complete. Writes replace what was there. Pitfall: a writer that was killed leaves in a folder a file
whose name begins with a dot; `keys` lists it.
"""

from blocks.files.files import FileMissing as FileMissing
from blocks.files.files import Files as Files
from blocks.files.files import FilesUnavailable as FilesUnavailable
from blocks.files.files import open_files as open_files
from blocks.files.folder import Folder as Folder
from blocks.files.folder import key_of_unfinished as key_of_unfinished
