"""Whether anyone has a file open for writing, in any container and of any user.

The kernel grants a read lease on a file only if no one has
(https://man7.org/linux/man-pages/man2/fcntl.2.html); it is given back at once.
"""

import fcntl
import os
import signal
from errno import EAGAIN
from pathlib import Path


def is_open_for_writing(path: Path) -> bool:
    """Raises `PermissionError` unless this process owns the file or is root, and `OSError` where
    the file system knows no leases.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW)
    try:
        # A writer that comes this very moment would else have the kernel send SIGIO, which kills.
        fcntl.fcntl(descriptor, fcntl.F_SETSIG, signal.SIGURG)
        fcntl.fcntl(descriptor, fcntl.F_SETLEASE, fcntl.F_RDLCK)
        fcntl.fcntl(descriptor, fcntl.F_SETLEASE, fcntl.F_UNLCK)
    except OSError as refused:
        if refused.errno == EAGAIN:
            return True
        raise
    finally:
        os.close(descriptor)
    return False
