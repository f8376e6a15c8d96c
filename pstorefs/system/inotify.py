"""inotify(7): the kernel reports when directories change. Until then nothing wakes up."""

from __future__ import annotations

import errno
import os
import struct

from pstorefs.system import libc, mountinfo

# sys/inotify.h
_MODIFY, _ATTRIB, _CLOSE_WRITE, _MOVED = 0x2, 0x4, 0x8, 0xC0
_CREATE, _DELETE, _DELETE_SELF, _MOVE_SELF = 0x100, 0x200, 0x400, 0x800
_UNMOUNT, _OVERFLOW, _IGNORED = 0x2000, 0x4000, 0x8000
_ONLY_DIRECTORY = 0x1000000
_CHANGES = _MODIFY | _ATTRIB | _CLOSE_WRITE | _MOVED | _CREATE | _DELETE | _DELETE_SELF | _MOVE_SELF
#: After one of these it is not known what else happened, or will.
_ENDS = _DELETE_SELF | _MOVE_SELF | _UNMOUNT | _OVERFLOW | _IGNORED
#: Other machines can change these, and inotify does not report it here.
_SHARED = ("virtiofs", "gfs2", "ocfs2", "vboxsf")
_HEAD = struct.Struct("iIII")
_BUFFER = 64 << 10


class Inotify:
    """Directories that are watched: their names, and their own attributes. OSError if it fails."""

    def __init__(self) -> None:
        flags = os.O_NONBLOCK | os.O_CLOEXEC
        self.descriptor = libc.call("inotify_init1", flags)

    def watch(self, directory: int) -> None:
        """Watch a directory, by a descriptor that is open on it."""
        if mountinfo.kind_of(os.fstat(directory).st_dev) in _SHARED:
            raise OSError(errno.EOPNOTSUPP, "others change it unseen")
        path = f"/proc/self/fd/{directory}".encode()
        libc.call("inotify_add_watch", self.descriptor, path, _CHANGES | _ONLY_DIRECTORY)

    def drain(self) -> bool:
        """Read all events; whether all directories are still watched."""
        whole = True
        while True:
            try:
                data = os.read(self.descriptor, _BUFFER)
            except BlockingIOError:
                return whole
            at = 0
            while at < len(data):
                _, mask, _, length = _HEAD.unpack_from(data, at)
                at += _HEAD.size + length
                whole = whole and not mask & _ENDS

    def close(self) -> None:
        """Watch nothing any more."""
        os.close(self.descriptor)
