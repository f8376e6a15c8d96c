"""Dumps among EFI variables, as efivarfs shows them, as records under the kernel's names.

Where the kernel's pstore does not show them (another kernel wrote them, a rescue system runs, a
record is too long for its buffer) they are still there, and fill the firmware's memory. The names
(drivers/firmware/efi/efi-pstore.c), with the vendor GUID of Linux's crash variables behind them:

========================================= =================================================
dump-type0-PART-COUNT-TIME-C              since Linux 3.12; C: compressed, D: not
dump-type0-PART-COUNT-TIME                Linux 3.8 to 3.11
dump-type0-PART-TIME                      before
========================================= =================================================

A variable's file begins with 4 bytes of attributes (efivarfs). Here it is the record that the
kernel would show: ``dmesg-efi-ID``, `.enc.z` behind it where it is compressed, dated by its name.
Nothing else in the directory is seen, opened or touched. To erase a variable the flag that makes it
immutable is taken off: of this one alone, and it is set again if the variable stays.
"""

from __future__ import annotations

import errno
import fcntl
import os
import re
import struct
from typing import NamedTuple

from pstorefs.source.directory import OpenDirectory
from pstorefs.source.stamp import ChangedError, Stamp
from pstorefs.system import mountinfo

#: LINUX_EFI_CRASH_GUID, include/linux/efi.h.
CRASH_GUID = "cfc8fc79-be2e-4ddc-97f0-9f98bfe298a0"
#: Bytes of attributes before a variable's data (Documentation/filesystems/efivarfs.rst).
ATTRIBUTES = 4
# enum pstore_type_id; the number follows `type` in a variable's name.
_TYPES = (
    "dmesg",
    "mce",
    "console",
    "ftrace",
    "rtas",
    "powerpc-ofw",
    "powerpc-common",
    "pmsg",
    "powerpc-opal",
)
_VARIABLE = re.compile(
    r"dump-type(?P<type>\d)-(?P<part>\d{1,10})(?:-(?P<count>\d{1,10}))?-(?P<time>\d{1,12})"
    rf"(?:-(?P<flag>[CD]))?-{CRASH_GUID}",
    re.ASCII | re.IGNORECASE,
)
_ANY_VARIABLE = re.compile(r".+-[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}", re.DOTALL)
# Firmware has some hundred variables, of 64 KiB at most.
_MOST_NAMES = 20_000
_LONGEST = 1 << 20
_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
# ioctl_iflags(2); the numbers of the machines that have EFI.
_LONG = struct.calcsize("l") << 16
_GET_FLAGS, _SET_FLAGS = 0x8000_6601 | _LONG, 0x4000_6602 | _LONG
_IMMUTABLE = 0x10
_NO_FLAGS = (errno.ENOTTY, errno.EOPNOTSUPP, errno.EINVAL)


class Variable(NamedTuple):
    """A dump variable: the name of its record, and its Unix time in seconds."""

    record: str
    time: int


def parse_variable(name: str) -> Variable | None:
    """Take a variable's name apart; None if it is not that of a dump of Linux."""
    match = _VARIABLE.fullmatch(name)
    if match is None or int(match["type"]) >= len(_TYPES):
        return None
    part, count, time = int(match["part"]), int(match["count"] or 0), int(match["time"])
    number = (time * 100 + part) * 1000 + count
    if number >= 1 << 64:
        return None
    encoded = ".enc.z" if (match["flag"] or "").upper() == "C" else ""
    return Variable(f"{_TYPES[int(match['type'])]}-efi-{number}{encoded}", time)


def holds_variables(path: str) -> bool:
    """Whether a directory is efivarfs, or a copy of it: all names are of variables, some of dumps.

    OSError if it cannot be listed.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        if mountinfo.kind_of(os.fstat(descriptor).st_dev) == "efivarfs":
            return True
        dumps = False
        with os.scandir(descriptor) as entries:
            for number, entry in enumerate(entries):
                if number >= _MOST_NAMES or not _ANY_VARIABLE.fullmatch(entry.name):
                    return False
                dumps = dumps or parse_variable(entry.name) is not None
        return dumps
    finally:
        os.close(descriptor)


class VariableDirectory(OpenDirectory):
    """The dump variables of a directory as records. There are no folders."""

    def __init__(self, path: str, *, pinned: bool = False, optional: bool = False) -> None:
        if pinned and path:
            words = "other programs need the variables there: mount elsewhere"
            raise OSError(errno.EINVAL, words, path)
        #: Names of records to variables, as of the last listing.
        self._variables: dict[str, str] = {}
        super().__init__(path, pinned=pinned, optional=optional)

    def _scan(self, folder: tuple[str, ...], found: dict[str, Stamp]) -> None:
        self._no_folder(folder)
        with self.folder(()) as descriptor:
            self._list(descriptor)
            for record, name in self._variables.items():
                try:
                    status = os.stat(name, dir_fd=descriptor, follow_symlinks=False)
                except FileNotFoundError:
                    continue
                stamp = _stamp(status, name)
                if stamp.is_file and status.st_size > ATTRIBUTES:
                    found[record] = stamp

    def _list(self, descriptor: int) -> None:
        variables: dict[str, str] = {}
        with os.scandir(descriptor) as entries:
            names = sorted(entry.name for entry in entries if entry.name.startswith("dump-type"))
        for name in names:
            variable = parse_variable(name)
            if variable is not None:
                # Two variables of one part, time and count: the second is seen once the first went.
                variables.setdefault(variable.record, name)
        self._variables = variables

    def _variable(self, folder: tuple[str, ...], record: str, descriptor: int) -> str:
        """The variable behind a record's name. FileNotFoundError if there is none."""
        self._no_folder(folder)
        if record not in self._variables:
            self._list(descriptor)
        name = self._variables.get(record)
        if name is None:
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), record)
        return name

    @staticmethod
    def _no_folder(folder: tuple[str, ...]) -> None:
        if folder:
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), "/".join(folder))

    def stamp(self, folder: tuple[str, ...], name: str | None = None) -> Stamp:
        """See `OpenDirectory`."""
        if name is None:
            self._no_folder(folder)
            return super().stamp(())
        with self.folder(()) as descriptor:
            variable = self._variable(folder, name, descriptor)
            return _stamp(os.stat(variable, dir_fd=descriptor, follow_symlinks=False), variable)

    def open(self, folder: tuple[str, ...], name: str, expected: Stamp) -> int:
        """See `OpenDirectory`. Only what is too long for `read` is opened: no variable is."""
        self._no_folder(folder)
        raise OSError(errno.EFBIG, f"{expected.size} bytes are more than any variable has", name)

    def read(self, folder: tuple[str, ...], name: str, expected: Stamp) -> bytes:
        """See `OpenDirectory`."""
        if expected.size > _LONGEST:
            raise OSError(
                errno.EFBIG, f"{expected.size} bytes are more than any variable has", name
            )
        with self.folder(()) as descriptor:
            variable = self._variable(folder, name, descriptor)
            file = os.open(variable, _FILE, dir_fd=descriptor)
        try:
            if _stamp(os.fstat(file), variable) != expected:
                raise ChangedError(f"{name} has changed")
            data = os.pread(file, expected.size + ATTRIBUTES + 1, 0)
            if (
                len(data) != expected.size + ATTRIBUTES
                or _stamp(os.fstat(file), variable) != expected
            ):
                raise ChangedError(f"{name} changed while it was read")
        finally:
            os.close(file)
        return data[ATTRIBUTES:]

    def erase(self, folder: tuple[str, ...], name: str) -> None:
        """Take the immutable flag off and unlink; if that fails, set the flag again."""
        with self.folder(()) as descriptor:
            variable = self._variable(folder, name, descriptor)
            file = os.open(variable, _FILE, dir_fd=descriptor)
            try:
                flags = _release(file)
                try:
                    os.unlink(variable, dir_fd=descriptor)
                except OSError:
                    _hold_again(file, flags)
                    raise
            finally:
                os.close(file)
            try:
                os.stat(variable, dir_fd=descriptor, follow_symlinks=False)
            except FileNotFoundError:
                return
        raise OSError(errno.EIO, f"{name} is still there although the firmware said it was erased")

    def readlink(self, folder: tuple[str, ...], name: str) -> str:
        """See `OpenDirectory`. There are no links."""
        raise OSError(errno.EINVAL, os.strerror(errno.EINVAL), "/".join((*folder, name)))


def _stamp(status: os.stat_result, variable: str) -> Stamp:
    """The stamp of the record: without the attributes, with the time in its name.

    efivarfs gives all variables the time of its mount.
    """
    known = parse_variable(variable)
    seconds = known.time if known is not None else 0
    size = max(0, status.st_size - ATTRIBUTES)
    return Stamp.of(status)._replace(size=size, mtime_ns=seconds * 10**9)


def _release(file: int) -> int | None:
    """Take the immutable flag off an open file; its flags before, None if nothing was changed."""
    buffer = bytearray(struct.calcsize("l"))
    try:
        fcntl.ioctl(file, _GET_FLAGS, buffer)
    except OSError as error:
        if error.errno in _NO_FLAGS:
            return None
        raise
    # The kernel writes an int, whatever the number of the ioctl says.
    (flags,) = struct.unpack_from("i", buffer)
    if not flags & _IMMUTABLE:
        return None
    fcntl.ioctl(file, _SET_FLAGS, struct.pack("i", flags & ~_IMMUTABLE).ljust(len(buffer), b"\0"))
    return int(flags)


def _hold_again(file: int, flags: int | None) -> None:
    if flags is not None:
        padded = struct.pack("i", flags).ljust(struct.calcsize("l"), b"\0")
        fcntl.ioctl(file, _SET_FLAGS, padded)
