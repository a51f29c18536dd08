"""Log files: rotated, compressed and deleted while they are written.

Contract: a rotated file lies beside its log, as `app.log.20261129T000000Z`, compressed with `.gz`
behind; nothing else is ever compressed or deleted. A log is renamed, and whoever writes it goes on
writing the renamed file until it opens a new one, so no line is lost.
"""

from blocks.operations.log_files.compressing import compress_old as compress_old
from blocks.operations.log_files.deleting import delete_old as delete_old
from blocks.operations.log_files.rotating import rotate as rotate
