"""Unmount the mount that this process serves, and no other.

libfuse unmounts whatever is mounted at its path, ours or not; and as root it may run umount(8) for
that (libfuse 3.17 does wherever /etc/mtab exists), which has no privilege left (privileges.py) and
fails: the mount stays, dead. So root's daemon calls umount2 itself. An ordinary user cannot:
fusermount3, which is set-uid, does it for libfuse.
"""

from __future__ import annotations

import errno
import logging
import os
import select
import stat
from ctypes import c_char_p, c_int
from typing import NamedTuple

from pstorefs.system import libc, mountinfo
from pstorefs.system.mountinfo import Mount
from pstorefs.system.printable import printable

_DESCRIPTORS = "/proc/self/fd"
_DEVICE = os.makedev(10, 229)  # /dev/fuse: Documentation/admin-guide/devices.txt
_MNT_DETACH = 2  # include/linux/fs.h

_log = logging.getLogger("pstorefs")


class OwnMount(NamedTuple):
    """What identifies the mount that this process serves."""

    #: Its line of the mount table, as it was when the mount was new.
    mount: Mount
    #: Of /dev/fuse: by this the kernel says that the file system is gone.
    descriptor: int

    def unmount(self) -> bool:
        """Unmount it lazily, wherever it is now. Whether libfuse still has to.

        If it is gone, or another mount covers it, nothing is done, and libfuse must do nothing
        either: it would take away the mount of somebody else. What fails is logged.
        """
        now = next((each for each in mountinfo.table() if self._is(each)), None)
        # The numbers of a mount that is gone are given to the next one. While the file system
        # lives, its device number is its own: so this is asked after the table was read.
        if now is None or self._is_gone():
            return False
        try:
            point = os.open(now.point, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC)
            try:
                if mountinfo.number_of(point) != self.mount.number:
                    raise OSError(errno.EBUSY, "another mount covers it")
                # Not by its path: a directory on the way may be exchanged meanwhile.
                path = f"{_DESCRIPTORS}/{point}".encode()
                libc.call("umount2", c_char_p(path), c_int(_MNT_DETACH))
            finally:
                os.close(point)
        except OSError as error:
            if error.errno == errno.EPERM:
                return True
            _log.warning("%s: stays mounted: %s", printable(now.point), error.strerror)
        return False

    def _is(self, other: Mount) -> bool:
        return (other.number, other.device) == (self.mount.number, self.mount.device)

    def _is_gone(self) -> bool:
        """Whether the file system was unmounted everywhere, or its connection was aborted."""
        poll = select.poll()
        poll.register(self.descriptor, 0)
        return any(events & select.POLLERR for _, events in poll.poll(0))


def own_mount(mountpoint: str) -> OwnMount | None:
    """The mount that this process has just made; None where /proc does not say."""
    mount, descriptor = mountinfo.at(mountpoint), _device()
    if mount is None or descriptor is None:
        return None
    return OwnMount(mount, descriptor)


def _device() -> int | None:
    """The descriptor by which libfuse talks to the kernel: pyfuse3 does not give it."""
    try:
        names = os.listdir(_DESCRIPTORS)
    except OSError:
        return None
    for name in names:
        try:
            status = os.fstat(int(name))
        except OSError:
            continue  # the one that listed them is closed by now
        if stat.S_ISCHR(status.st_mode) and status.st_rdev == _DEVICE:
            return int(name)
    return None
