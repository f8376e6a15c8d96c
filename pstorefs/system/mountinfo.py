"""The mount table of this process: /proc/self/mountinfo (proc(5)), taken apart."""

from __future__ import annotations

import os
import re
from typing import NamedTuple

_TABLE = "/proc/self/mountinfo"
_SERVED = frozenset(
    [
        "fuse",
        "fuseblk",
        "nfs",
        "nfs4",
        "cifs",
        "smb3",
        "smbfs",
        "9p",
        "ceph",
        "afs",
        "lustre",
        "glusterfs",
        "ncpfs",
        "coda",
        "orangefs",
    ]
)
_OCTAL = re.compile(r"\\([0-7]{3})")


class Mount(NamedTuple):
    """One line of the table."""

    #: What st_dev says of files there (on btrfs and overlayfs it can say something else).
    device: int
    #: The directory within that file system that is mounted.
    root: str
    point: str
    kind: str
    source: str
    options: str
    #: What /proc/self/fdinfo calls it.
    number: int = 0


def table() -> list[Mount]:
    """All mounts, the oldest first; empty where /proc is not mounted."""
    try:
        # A carriage return in a name does not end a line: who mounts there would forge another.
        with open(_TABLE, errors="surrogateescape", newline="\n") as file:
            return [mount for line in file if (mount := parse(line))]
    except OSError:
        return []


def parse(line: str) -> Mount | None:
    """One line of mountinfo; None if it is not in the documented form."""
    left, separator, right = line.rstrip("\n").partition(" - ")
    fields, source = left.split(" "), right.split(" ")
    if not separator or len(fields) < 6 or len(source) < 3:
        return None
    major, _, minor = fields[2].partition(":")
    if not (major.isdecimal() and minor.isdecimal() and fields[0].isdecimal()):
        return None
    return Mount(
        os.makedev(int(major), int(minor)),
        _plain(fields[3]),
        _plain(fields[4]),
        source[0],
        _plain(source[1]),
        fields[5] + "," + _plain(source[2]),
        int(fields[0]),
    )


def at(point: str) -> Mount | None:
    """The topmost mount on exactly this path; the file systems are not asked."""
    return next((mount for mount in reversed(table()) if mount.point == point), None)


def kind_of(device: int) -> str:
    """The type of the file system with this st_dev; empty if the table does not say."""
    return next((mount.kind for mount in table() if mount.device == device), "")


def holding(descriptor: int) -> Mount | None:
    """The mount that an open file lies on; None if /proc does not say (mnt_id: Linux 3.15)."""
    number = number_of(descriptor)
    return next((mount for mount in table() if number and mount.number == number), None)


def number_of(descriptor: int) -> int:
    """The number of the mount that an open file lies on; 0 if /proc does not say."""
    try:
        with open(f"/proc/self/fdinfo/{descriptor}") as file:
            return next((int(line.split()[1]) for line in file if line.startswith("mnt_id:")), 0)
    except OSError:
        return 0


def above(path: str) -> Mount | None:
    """The mount that a path without symbolic links lies on, by the table alone."""
    found = None
    for mount in table():
        point = mount.point.rstrip("/") + "/"
        if (path + "/").startswith(point) and (not found or len(point) >= len(found.point)):
            found = mount
    return found


def may_hang(path: str) -> bool:
    """Whether what is under a path without symbolic links is served by somebody else.

    Local file systems answer, or fail; the network and other FUSE programs may do neither.
    """
    mount = above(path)
    return mount is not None and mount.kind.partition(".")[0] in _SERVED


def _plain(text: str) -> str:
    """Blanks, tabs, newlines and backslashes are written in octal there."""
    return _OCTAL.sub(lambda match: chr(int(match[1], 8)), text)
