"""Linux's notice that a file was written to (inotify)."""

import asyncio
import ctypes
import os
import struct
import sys
from collections.abc import Callable
from pathlib import Path

_MODIFY, _IGNORED = 0x2, 0x8000
"""IN_MODIFY; IN_IGNORED: the file is gone, and no more notices come."""
_EVENT = struct.Struct("iIII")
_MANY = 256

_libc = ctypes.CDLL(None) if sys.platform == "linux" else None


class FileChanges:
    """Calls `on_change` on the event loop after a write to the file; then not again until `listen`,
    which reports what was written in between, too. So those who are busy are not called each time.

    Use it between `open` and `close`. There may be none of these notices: elsewhere than on Linux,
    when the user's inotify instances are used up, or once the file was deleted; `are_noticed` says
    so.
    """

    def __init__(self, path: Path, on_change: Callable[[], None]) -> None:
        self._path = path
        self._on_change = on_change
        self._descriptor: int | None = None
        self._is_listening = False

    @property
    def are_noticed(self) -> bool:
        return self._descriptor is not None

    def open(self) -> None:
        """Notices come if the system gives them for this file."""
        if _libc is None:
            return
        descriptor = _libc.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC)
        if descriptor < 0:
            return
        if _libc.inotify_add_watch(descriptor, os.fsencode(self._path), _MODIFY) < 0:
            os.close(descriptor)
            return
        self._descriptor = descriptor
        self.listen()

    def listen(self) -> None:
        """The next write is reported, or one since the last report."""
        if self._descriptor is not None and not self._is_listening:
            asyncio.get_running_loop().add_reader(self._descriptor, self._read, self._descriptor)
            self._is_listening = True

    def close(self) -> None:
        if self._descriptor is not None:
            self._rest()
            os.close(self._descriptor)
            self._descriptor = None

    def _rest(self) -> None:
        if self._descriptor is not None and self._is_listening:
            asyncio.get_running_loop().remove_reader(self._descriptor)
            self._is_listening = False

    def _read(self, descriptor: int) -> None:
        self._rest()
        events = _EVENT.iter_unpack(os.read(descriptor, _MANY * _EVENT.size))
        if any(mask & _IGNORED for _, mask, _, _ in events):
            self.close()
        self._on_change()
