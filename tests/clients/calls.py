"""Every call that would change something, tried in a directory: each one's result, or its errno.

Run as a program, by any user: ``python3 calls.py DIRECTORY``. It prints JSON: names of calls to
what came of them. It imports nothing of this project, as others may not reach it. The directory
holds ``file``, ``other``, ``link`` (to file), ``dangling``, ``folder`` (with ``inner``) and
``hollow`` (empty), or what is given for these names as ``NAME=PATH``. Nothing there is called
``new``.
"""

from __future__ import annotations

import ctypes
import errno
import fcntl
import json
import mmap
import os
import socket
import stat
import sys
import tempfile
from collections.abc import Callable

_libc = ctypes.CDLL(None, use_errno=True)
_AT_FDCWD = -100
_NOREPLACE, _EXCHANGE, _WHITEOUT = 1, 2, 4
# linux/fs.h, linux/fiemap.h
_GETFLAGS, _SETFLAGS, _FICLONE, _FIBMAP = 0x80086601, 0x40086602, 0x40049409, 1
_FSGETXATTR, _GETVERSION, _FITRIM, _FIFREEZE = 0x801C581F, 0x80087601, 0xC0185879, 0xC0045877
_FIONREAD, _FIGETBSZ = 0x541B, 2
_LONG = "n" * 300
_ELSEWHERE = "/proc/version"  # another file system, whose files nobody can move

# What is in the directory; paths that stand for these names are given on the command line.
NAMES = ("file", "other", "link", "dangling", "folder", "inner", "hollow")
names = {name: name for name in NAMES} | {"inner": "folder/inner"}


class _Path:
    """`p.file` and `p.new`: a path, where nothing else is said the name itself."""

    def __getattr__(self, name: str) -> str:
        return names.get(name, name)

    def within(self, folder: str, name: str) -> str:
        return f"{names[folder]}/{name}"


p = _Path()


def _c(function: str, *arguments: object) -> int:
    """A function of the C library that Python does not know, or gives no errno of."""
    given = [os.fsencode(one) if isinstance(one, str) else one for one in arguments]
    result = int(getattr(_libc, function)(*given))
    if result == -1:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    return result


def _opened(path: str, flags: int, then: Callable[[int], object] = lambda _: "opened") -> object:
    """Open with these flags, do something with the descriptor, close."""
    descriptor = os.open(path, flags | os.O_NONBLOCK, 0o600)
    try:
        return then(descriptor)
    finally:
        os.close(descriptor)


def _reading(then: Callable[[int], object]) -> Callable[[], object]:
    return lambda: _opened(p.file, os.O_RDONLY, then)


def _in_folder(then: Callable[[int], object]) -> Callable[[], object]:
    return lambda: _opened(p.folder, os.O_RDONLY | os.O_DIRECTORY, then)


def _flags(*words: str) -> int:
    value = 0
    for word in words:
        value |= getattr(os, f"O_{word}")
    return value


def _rename(old: str, new: str, flags: int) -> int:
    return _c("renameat2", _AT_FDCWD, old, _AT_FDCWD, new, flags)


def _socket(path: str) -> None:
    with socket.socket(socket.AF_UNIX) as one:
        one.bind(path)


def _ioctl(request: int, argument: object = None) -> Callable[[int], object]:
    def ask(descriptor: int) -> object:
        buffer = ctypes.create_string_buffer(64)
        return _c("ioctl", descriptor, ctypes.c_ulong(request), argument or buffer)

    return ask


def _clone(target: int) -> object:
    with tempfile.TemporaryFile() as source:
        source.write(b"x" * 4096)
        source.flush()
        return _c("ioctl", target, ctypes.c_ulong(_FICLONE), source.fileno())


def _mapped(descriptor: int, flags: int, protection: int) -> object:
    with mmap.mmap(descriptor, 4, flags, protection) as mapping:
        if protection & mmap.PROT_WRITE:
            mapping[:1] = b"!"
        return len(mapping)


def _copy_into(descriptor: int) -> object:
    with tempfile.TemporaryFile() as source:
        source.write(b"content")
        source.flush()
        return os.copy_file_range(source.fileno(), descriptor, 7, 0)


def _copy_out(descriptor: int) -> object:
    with tempfile.TemporaryFile() as target:
        return os.copy_file_range(descriptor, target.fileno(), 7)


def _sent_into(descriptor: int) -> object:
    with tempfile.TemporaryFile() as source:
        source.write(b"content")
        source.flush()
        return os.sendfile(descriptor, source.fileno(), 0, 7)


def _spliced_into(descriptor: int) -> object:
    reader, writer = os.pipe()
    os.write(writer, b"content")
    try:
        return os.splice(reader, descriptor, 7)
    finally:
        os.close(reader)
        os.close(writer)


def _record_lock(kind: int, command: int = fcntl.F_SETLK) -> Callable[[int], object]:
    lock = ctypes.create_string_buffer(64)
    lock[0:2] = kind.to_bytes(2, "little")

    def take(descriptor: int) -> object:
        return bool(fcntl.fcntl(descriptor, command, lock.raw))

    return take


def _through_proc(flags: int) -> object:
    """Reopen what is open for reading: /proc leads to the same file."""
    return _opened(p.file, os.O_RDONLY, lambda n: _opened(f"/proc/self/fd/{n}", flags))


# Flags that a writer may open an existing file with, and a new one.
EXISTING = (
    *(("RDONLY",), ("WRONLY",), ("RDWR",)),
    *(("RDONLY", "APPEND"), ("WRONLY", "APPEND"), ("RDWR", "APPEND")),
    *(("RDONLY", "TRUNC"), ("WRONLY", "TRUNC"), ("RDWR", "TRUNC"), ("APPEND", "TRUNC")),
    *(("CREAT",), ("CREAT", "WRONLY"), ("CREAT", "RDWR"), ("CREAT", "RDWR", "TRUNC")),
    *(("CREAT", "TRUNC"), ("CREAT", "WRONLY", "APPEND"), ("CREAT", "EXCL")),
    *(("CREAT", "EXCL", "WRONLY"), ("CREAT", "EXCL", "RDWR", "TRUNC"), ("EXCL",)),
    *(("DIRECT",), ("DIRECT", "WRONLY"), ("DIRECT", "RDWR"), ("SYNC",), ("SYNC", "RDWR")),
    *(("DSYNC", "WRONLY"), ("NOATIME",), ("NOATIME", "WRONLY"), ("NOFOLLOW", "RDWR")),
    *(("PATH",), ("PATH", "WRONLY"), ("DIRECTORY",), ("DIRECTORY", "WRONLY"), ("NOCTTY", "RDWR")),
    *(("WRONLY", "RDWR"), ("WRONLY", "RDWR", "TRUNC"), ("ASYNC", "WRONLY"), ("CLOEXEC", "RDWR")),
)
NEW = (
    *(("RDONLY",), ("WRONLY",), ("RDWR", "TRUNC"), ("CREAT",), ("CREAT", "WRONLY")),
    *(("CREAT", "RDWR", "APPEND"), ("CREAT", "EXCL"), ("CREAT", "EXCL", "WRONLY")),
    *(("CREAT", "DIRECT", "WRONLY"), ("CREAT", "TRUNC", "WRONLY"), ("CREAT", "NOFOLLOW", "RDWR")),
)
FOLDER = (
    *(("RDONLY",), ("WRONLY",), ("RDWR",), ("TRUNC",), ("CREAT",), ("CREAT", "EXCL"), ("APPEND",)),
    *(("CREAT", "WRONLY"), ("TMPFILE",), ("TMPFILE", "WRONLY"), ("TMPFILE", "RDWR")),
    *(("TMPFILE", "RDWR", "EXCL"), ("DIRECTORY", "WRONLY"), ("DIRECTORY", "RDWR", "TRUNC")),
)
LINKS = (("WRONLY",), ("RDWR", "TRUNC"), ("CREAT", "WRONLY"), ("NOFOLLOW", "WRONLY"))

CALLS: dict[str, Callable[[], object]] = {
    **{
        f"open {what}: {'|'.join(flags)}": lambda name=name, flags=flags: _opened(
            getattr(p, name), _flags(*flags)
        )
        for what, name, table in (
            ("file", "file", EXISTING),
            ("new", "new", NEW),
            ("folder", "folder", FOLDER),
            ("link", "link", LINKS),
            ("dangling link", "dangling", LINKS),
        )
        for flags in table
    },
    "open file/": lambda: _opened(p.file + "/", os.O_WRONLY),
    "open new/": lambda: _opened("new/", os.O_WRONLY | os.O_CREAT),
    "open file/new": lambda: _opened(p.within("file", "new"), os.O_WRONLY | os.O_CREAT),
    "open missing/new": lambda: _opened("missing/new", os.O_WRONLY | os.O_CREAT),
    "open folder/new": lambda: _opened(p.within("folder", "new"), os.O_WRONLY | os.O_CREAT),
    "open a long name": lambda: _opened(_LONG, os.O_WRONLY | os.O_CREAT),
    "open through /proc: WRONLY": lambda: _through_proc(os.O_WRONLY),
    "open through /proc: RDWR|TRUNC": lambda: _through_proc(os.O_RDWR | os.O_TRUNC),
    "creat file": lambda: os.close(_c("creat", p.file, 0o600)),
    "creat new": lambda: os.close(_c("creat", "new", 0o600)),
    # Names
    "mkdir new": lambda: os.mkdir("new"),
    "mkdir new/": lambda: os.mkdir("new/"),
    "mkdir file": lambda: os.mkdir(p.file),
    "mkdir folder": lambda: os.mkdir(p.folder),
    "mkdir folder/new": lambda: os.mkdir(p.within("folder", "new")),
    "mkdir .": lambda: os.mkdir("."),
    "mkdir missing/new": lambda: os.mkdir("missing/new"),
    "mkdir file/new": lambda: os.mkdir(p.within("file", "new")),
    "mkdir a long name": lambda: os.mkdir(_LONG),
    "rmdir file": lambda: os.rmdir(p.file),
    "rmdir new": lambda: os.rmdir("new"),
    "rmdir folder": lambda: os.rmdir(p.folder),
    "rmdir folder/": lambda: os.rmdir(p.folder + "/"),
    "rmdir hollow": lambda: os.rmdir(p.hollow),
    "rmdir link": lambda: os.rmdir(p.link),
    "rmdir .": lambda: os.rmdir("."),
    "rmdir folder/.": lambda: os.rmdir(p.within("folder", ".")),
    "rmdir folder/..": lambda: os.rmdir(p.within("folder", "..")),
    "unlink file": lambda: os.unlink(p.file),
    "unlink file/": lambda: os.unlink(p.file + "/"),
    "unlink folder/inner": lambda: os.unlink(p.inner),
    "unlink new": lambda: os.unlink("new"),
    "unlink folder": lambda: os.unlink(p.folder),
    "unlink folder/": lambda: os.unlink(p.folder + "/"),
    "unlink link": lambda: os.unlink(p.link),
    "unlink .": lambda: os.unlink("."),
    "unlink file/new": lambda: os.unlink(p.within("file", "new")),
    "unlink a long name": lambda: os.unlink(_LONG),
    "rename file to new": lambda: os.rename(p.file, "new"),
    "rename file to other": lambda: os.rename(p.file, p.other),
    "rename file to file": lambda: os.rename(p.file, p.file),
    "rename file to folder": lambda: os.rename(p.file, p.folder),
    "rename file to folder/new": lambda: os.rename(p.file, p.within("folder", "new")),
    "rename file to new/": lambda: os.rename(p.file, "new/"),
    "rename file to elsewhere": lambda: os.rename(p.file, _ELSEWHERE),
    "rename elsewhere to new": lambda: os.rename(_ELSEWHERE, "new"),
    "rename folder to new": lambda: os.rename(p.folder, "new"),
    "rename folder to hollow": lambda: os.rename(p.folder, p.hollow),
    "rename hollow to folder": lambda: os.rename(p.hollow, p.folder),
    "rename folder to file": lambda: os.rename(p.folder, p.file),
    "rename folder to itself": lambda: os.rename(p.folder, p.folder),
    "rename folder into itself": lambda: os.rename(p.folder, p.within("folder", "new")),
    "rename link to new": lambda: os.rename(p.link, "new"),
    "rename missing to new": lambda: os.rename("missing", "new"),
    "rename missing to file": lambda: os.rename("missing", p.file),
    "rename . to new": lambda: os.rename(".", "new"),
    "rename file to .": lambda: os.rename(p.file, "."),
    "rename file to new, NOREPLACE": lambda: _rename(p.file, "new", _NOREPLACE),
    "rename file to other, NOREPLACE": lambda: _rename(p.file, p.other, _NOREPLACE),
    "rename file to other, EXCHANGE": lambda: _rename(p.file, p.other, _EXCHANGE),
    "rename file to folder, EXCHANGE": lambda: _rename(p.file, p.folder, _EXCHANGE),
    "rename file to new, EXCHANGE": lambda: _rename(p.file, "new", _EXCHANGE),
    "rename file to new, WHITEOUT": lambda: _rename(p.file, "new", _WHITEOUT),
    "rename file to new, both": lambda: _rename(p.file, "new", _NOREPLACE | _EXCHANGE),
    "rename file to new, unknown flag": lambda: _rename(p.file, "new", 1 << 20),
    "link file to new": lambda: os.link(p.file, "new"),
    "link file to other": lambda: os.link(p.file, p.other),
    "link file to file": lambda: os.link(p.file, p.file),
    "link file to new/": lambda: os.link(p.file, "new/"),
    "link folder to new": lambda: os.link(p.folder, "new"),
    "link missing to new": lambda: os.link("missing", "new"),
    "link link to new": lambda: os.link(p.link, "new", follow_symlinks=False),
    "link what link leads to": lambda: _c("linkat", _AT_FDCWD, p.link, _AT_FDCWD, "new", 0x400),
    "link elsewhere to new": lambda: os.link(_ELSEWHERE, "new"),
    "link an open file": lambda: _opened(
        p.file, os.O_RDONLY, lambda n: os.link(f"/proc/self/fd/{n}", "new", follow_symlinks=True)
    ),
    "symlink new": lambda: os.symlink("file", "new"),
    "symlink file": lambda: os.symlink("file", p.file),
    "symlink link": lambda: os.symlink("file", p.link),
    "symlink new/": lambda: os.symlink("file", "new/"),
    "symlink empty": lambda: os.symlink("", "new"),
    "symlink folder/new": lambda: os.symlink("file", p.within("folder", "new")),
    "mknod FIFO": lambda: os.mkfifo("new"),
    "mknod FIFO over file": lambda: os.mkfifo(p.file),
    "mknod file": lambda: os.mknod("new", 0o600 | stat.S_IFREG),
    "mknod socket": lambda: os.mknod("new", 0o600 | stat.S_IFSOCK),
    "mknod device": lambda: os.mknod("new", 0o600 | stat.S_IFCHR, os.makedev(1, 3)),
    "mknod block device": lambda: os.mknod("new", 0o600 | stat.S_IFBLK, os.makedev(7, 0)),
    "mknod whiteout": lambda: os.mknod("new", 0o600 | stat.S_IFCHR, 0),
    "mknod folder": lambda: os.mknod("new", 0o600 | stat.S_IFDIR),
    "bind a socket to new": lambda: _socket("new"),
    "bind a socket to file": lambda: _socket(p.file),
    # Attributes
    "chmod file": lambda: os.chmod(p.file, 0o600),
    "chmod file as it is": lambda: os.chmod(p.file, stat.S_IMODE(os.stat(p.file).st_mode)),
    "chmod folder": lambda: os.chmod(p.folder, 0o700),
    "chmod .": lambda: os.chmod(".", 0o700),
    "chmod link": lambda: os.chmod(p.link, 0o600),
    "chmod missing": lambda: os.chmod("missing", 0o600),
    "fchmod file": _reading(lambda n: os.fchmod(n, 0o600)),
    "fchmod folder": _in_folder(lambda n: os.fchmod(n, 0o700)),
    "chown file": lambda: os.chown(p.file, 1, 1),
    "chown file as it is": lambda: os.chown(p.file, os.getuid(), os.getgid()),
    "chown file, nothing": lambda: os.chown(p.file, -1, -1),
    "chown folder": lambda: os.chown(p.folder, 1, -1),
    "chown missing": lambda: os.chown("missing", 1, 1),
    "lchown link": lambda: os.lchown(p.link, 1, 1),
    "lchown dangling": lambda: os.lchown(p.dangling, 1, 1),
    "fchown file": _reading(lambda n: os.fchown(n, 1, 1)),
    "utime file, now": lambda: os.utime(p.file),
    "utime file": lambda: os.utime(p.file, ns=(1, 1)),
    "utime folder": lambda: os.utime(p.folder, ns=(1, 1)),
    "utime .": lambda: os.utime("."),
    "utime missing": lambda: os.utime("missing"),
    "utime link, not followed": lambda: os.utime(p.link, ns=(1, 1), follow_symlinks=False),
    "utime dangling, followed": lambda: os.utime(p.dangling),
    "utime, nothing": lambda: _c(
        "utimensat", _AT_FDCWD, p.file, (ctypes.c_long * 4)(0, 0x3FFFFFFE, 0, 0x3FFFFFFE), 0
    ),
    "futime file": _reading(os.utime),
    "truncate file": lambda: os.truncate(p.file, 0),
    "truncate file as it is": lambda: os.truncate(p.file, os.stat(p.file).st_size),
    "truncate file, longer": lambda: os.truncate(p.file, 1 << 30),
    "truncate folder": lambda: os.truncate(p.folder, 0),
    "truncate missing": lambda: os.truncate("missing", 0),
    "truncate link": lambda: os.truncate(p.link, 0),
    "truncate, below zero": lambda: _c("truncate", p.file, ctypes.c_long(-1)),
    "setxattr user.": lambda: os.setxattr(p.file, "user.x", b"y"),
    "setxattr trusted.": lambda: os.setxattr(p.file, "trusted.x", b"y"),
    "setxattr security.": lambda: os.setxattr(p.file, "security.capability", b"y" * 20),
    "setxattr of folder": lambda: os.setxattr(p.folder, "user.x", b"y"),
    "lsetxattr of link": lambda: os.setxattr(p.link, "user.x", b"y", follow_symlinks=False),
    "setxattr unknown": lambda: os.setxattr(p.file, "nothing.x", b"y"),
    "setxattr, replace": lambda: os.setxattr(p.file, "user.x", b"y", os.XATTR_REPLACE),
    "fsetxattr": _reading(lambda n: os.setxattr(n, "user.x", b"y")),
    "removexattr user.": lambda: os.removexattr(p.file, "user.x"),
    "removexattr missing": lambda: os.removexattr("missing", "user.x"),
    "getxattr": lambda: os.getxattr(p.file, "user.x"),
    "listxattr": lambda: os.listxattr(p.file),
    # What is open for reading
    "write": _reading(lambda n: os.write(n, b"x")),
    "pwrite": _reading(lambda n: os.pwrite(n, b"x", 0)),
    "writev": _reading(lambda n: os.writev(n, [b"x"])),
    "write to folder": _in_folder(lambda n: os.write(n, b"x")),
    "ftruncate": _reading(lambda n: os.ftruncate(n, 0)),
    "ftruncate folder": _in_folder(lambda n: os.ftruncate(n, 0)),
    "fallocate": _reading(lambda n: _c("fallocate", n, 0, ctypes.c_long(0), ctypes.c_long(99))),
    "fallocate, punch": _reading(
        lambda n: _c("fallocate", n, 3, ctypes.c_long(0), ctypes.c_long(9))
    ),
    "posix_fallocate": _reading(lambda n: os.posix_fallocate(n, 0, 9)),
    "copy_file_range into": _reading(_copy_into),
    "copy_file_range out": _reading(_copy_out),
    "sendfile into": _reading(_sent_into),
    "splice into": _reading(_spliced_into),
    "fsync": _reading(os.fsync),
    "fdatasync": _reading(os.fdatasync),
    "fsync folder": _in_folder(os.fsync),
    "syncfs": _reading(lambda n: _c("syncfs", n)),
    "set O_APPEND": _reading(lambda n: fcntl.fcntl(n, fcntl.F_SETFL, os.O_APPEND)),
    "set O_DIRECT": _reading(lambda n: fcntl.fcntl(n, fcntl.F_SETFL, os.O_DIRECT)),
    "mmap shared, write": _reading(
        lambda n: _mapped(n, mmap.MAP_SHARED, mmap.PROT_READ | mmap.PROT_WRITE)
    ),
    "mmap private, write": _reading(
        lambda n: _mapped(n, mmap.MAP_PRIVATE, mmap.PROT_READ | mmap.PROT_WRITE)
    ),
    "mmap shared": _reading(lambda n: _mapped(n, mmap.MAP_SHARED, mmap.PROT_READ)),
    "mmap, execute": _reading(lambda n: _mapped(n, mmap.MAP_PRIVATE, mmap.PROT_EXEC)),
    "mmap folder": _in_folder(lambda n: _mapped(n, mmap.MAP_PRIVATE, mmap.PROT_READ)),
    # Locks
    "flock shared": _reading(lambda n: fcntl.flock(n, fcntl.LOCK_SH | fcntl.LOCK_NB)),
    "flock exclusive": _reading(lambda n: fcntl.flock(n, fcntl.LOCK_EX | fcntl.LOCK_NB)),
    "flock folder": _in_folder(lambda n: fcntl.flock(n, fcntl.LOCK_EX | fcntl.LOCK_NB)),
    "lock to read": _reading(_record_lock(fcntl.F_RDLCK)),
    "lock to write": _reading(_record_lock(fcntl.F_WRLCK)),
    "lock of the open file to read": _reading(_record_lock(fcntl.F_RDLCK, 37)),
    "lock of the open file to write": _reading(_record_lock(fcntl.F_WRLCK, 37)),
    "lease to read": _reading(lambda n: fcntl.fcntl(n, fcntl.F_SETLEASE, fcntl.F_RDLCK)),
    "lease to write": _reading(lambda n: fcntl.fcntl(n, fcntl.F_SETLEASE, fcntl.F_WRLCK)),
    "notify": _in_folder(lambda n: fcntl.fcntl(n, fcntl.F_NOTIFY, 0x1F)),
    # What only some file systems know
    "ioctl FS_IOC_GETFLAGS": _reading(_ioctl(_GETFLAGS)),
    "ioctl FS_IOC_SETFLAGS": _reading(_ioctl(_SETFLAGS)),
    "ioctl FS_IOC_FSGETXATTR": _reading(_ioctl(_FSGETXATTR)),
    "ioctl FS_IOC_GETVERSION": _reading(_ioctl(_GETVERSION)),
    "ioctl FICLONE": _reading(_clone),
    "ioctl FIBMAP": _reading(_ioctl(_FIBMAP)),
    "ioctl FIONREAD": _reading(_ioctl(_FIONREAD)),
    "ioctl FIGETBSZ": _reading(_ioctl(_FIGETBSZ)),
    "ioctl FITRIM": _in_folder(_ioctl(_FITRIM)),
    "ioctl FIFREEZE, as nobody": _in_folder(
        lambda n: _ioctl(_FIFREEZE)(n) if os.getuid() else "not tried"
    ),
    "ioctl of a terminal": _reading(_ioctl(0x5401)),
    # May I?
    "access file to read": lambda: _c("access", p.file, os.R_OK),
    "access file to write": lambda: _c("access", p.file, os.W_OK),
    "access file to execute": lambda: _c("access", p.file, os.X_OK),
    "access folder to write": lambda: _c("access", p.folder, os.W_OK),
    "access folder to enter": lambda: _c("access", p.folder, os.X_OK),
    "access . to write": lambda: _c("access", ".", os.W_OK),
    "access missing": lambda: _c("access", "missing", os.F_OK),
    "execute file": lambda: _c("execve", p.file, None, None),
    "chroot folder": lambda: os.chroot(p.within("folder", "missing")),
}


def result(call: Callable[[], object]) -> object:
    """What a call gives, or the name of its errno."""
    try:
        return call()
    except OSError as error:
        return errno.errorcode[error.errno or 0]


def main(folder: str, *given: str) -> None:
    """Try all calls in a directory; of those given by ``NAME=PATH``, other paths."""
    os.chdir(folder)
    names.update(dict(word.split("=", 1) for word in given))
    found = {name: repr(result(call)) for name, call in CALLS.items()}
    sys.stdout.write(json.dumps(found))


if __name__ == "__main__":
    main(*sys.argv[1:])
