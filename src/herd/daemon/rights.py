"""Another user's rights over files, for a while: the kernel itself judges what that user may reach."""

from __future__ import annotations

import ctypes
import errno
import os
import threading
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

# capset(2): the version with two words for each of three sets.
_VERSION = 0x20080522
_UNCHANGED = -1  # As an argument of setfsuid(2), which cannot fail, it only asks.


def with_rights_of(uid: int, gid: int, function: Callable[[], T]) -> T:
    """Call it in a thread that reaches files as that user does, and only files (setfsuid(2)). Blocks.

    No capability is left to it: setfsuid() takes those over files alone, and with CAP_SYS_PTRACE the way through /proc
    to what root has open would be free. The user's other groups do not count. A herdd that is not root has its own
    rights alone.
    """
    results: list[T] = []
    errors: list[BaseException] = []

    def run() -> None:
        try:
            if os.geteuid() == 0:
                _become(uid, gid)
            results.append(function())
        except BaseException as error:
            errors.append(error)

    thread = threading.Thread(target=run, name=f"files of uid {uid}")
    thread.start()
    thread.join()
    if errors:
        raise errors[0]
    return results[0]


def _become(uid: int, gid: int) -> None:
    libc = ctypes.CDLL(None)
    # The user last: without root's rights the group could not be changed.
    for change, number in ((libc.setfsgid, gid), (libc.setfsuid, uid)):
        change(ctypes.c_uint(number))
        if change(ctypes.c_uint(_UNCHANGED)) != number:
            raise OSError(errno.EPERM, os.strerror(errno.EPERM))
    # Of this thread alone (number 0), which ends with them.
    head, none = (ctypes.c_uint32 * 2)(_VERSION, 0), (ctypes.c_uint32 * 6)()
    if uid and libc.capset(head, none) != 0:
        raise OSError(errno.EPERM, os.strerror(errno.EPERM))
