"""What can be wrong before anything is mounted, each with what to do about it."""

from __future__ import annotations

import errno
import os
import stat
import subprocess
import sys
from contextlib import suppress

from pstorefs.settings.defaults import DEFAULT_ARCHIVE
from pstorefs.settings.options import Settings
from pstorefs.source.directory import OpenDirectory
from pstorefs.source.timeout import open_directory, open_named, real_path
from pstorefs.source.unopened import why_unopened
from pstorefs.system import mountinfo
from pstorefs.system.printable import printable

TYPE = "fuse.pstorefs"
_DEVICE = "/dev/fuse"


class MountError(Exception):
    """The mount cannot be made. The message says what, why, and what to do."""


def free_mountpoint(path: str) -> str:
    """The mount point's real path, after removing a dead mount of an earlier run."""
    point = os.path.realpath(path)
    if point == "/":
        raise MountError(
            f"{path}: the root directory: a mount there hides everything: use another mount point"
        )
    mounted = mountinfo.at(point)
    if mounted is not None and mounted.kind == TYPE:
        try:
            # Not stat: for a second the kernel repeats what a mount said last, although it is dead.
            os.statvfs(point)
        except OSError as error:
            if error.errno not in (errno.ENOTCONN, errno.ECONNABORTED):
                raise MountError(f"{path}: {error.strerror}") from error
            detach(point)
            words = f"{printable(path)}: removed a dead mount of an earlier run"
            print(f"pstorefs: {words}", file=sys.stderr)
        else:
            raise MountError(f"{path}: busy: pstorefs is mounted there already (umount {path})")
    try:
        status = os.stat(point)
    except FileNotFoundError:
        raise MountError(f"{path}: no such mount point: make it with: mkdir -p {path}") from None
    except OSError as error:
        raise MountError(f"{path}: {error.strerror}") from error
    if not stat.S_ISDIR(status.st_mode):
        raise MountError(f"{path}: not a directory: a mount point has to be one")
    return point


def check_hidden(mountpoint: str, archive: str | None) -> None:
    """Raise `MountError` if the mount would hide something that this program needs.

    Or if it would be inside the archive: to look through that, the program would have to ask itself
    and wait for its own answer.
    """
    needed = [("the archive", archive), ("Python", os.__file__), ("pstorefs itself", __file__)]
    for what, path in needed:
        if path and is_below(_real(path), mountpoint):
            raise MountError(f"{mountpoint}: hides {what} ({path}): mount elsewhere")
    if archive and is_below(mountpoint, _real(archive)):
        raise MountError(f"{mountpoint}: is inside the archive {archive}: mount elsewhere")


def is_below(path: str, directory: str) -> bool:
    """Whether a path is that of a directory, or of something in it. Both without links."""
    return f"{path}/".startswith(directory.rstrip("/") + "/")


def _real(path: str) -> str:
    try:
        return real_path(path)
    except OSError as error:
        raise MountError(f"{path}: {error.strerror}") from error


def detach(point: str) -> None:
    """Unmount lazily: a dead mount answers nothing, and must not be asked."""
    command = ["umount", "-l", point] if os.geteuid() == 0 else ["fusermount3", "-u", "-z", point]
    with suppress(OSError):
        subprocess.run(command, stderr=subprocess.DEVNULL, check=False)


def open_source(settings: Settings, mountpoint: str) -> OpenDirectory:
    """The source; where it may be missing, one that is empty until it comes."""
    source = settings.source
    real = _real(source)
    over_source = real == mountpoint
    if is_below(mountpoint, real) and not over_source:
        raise MountError(f"{settings.mountpoint}: is inside the source {source}: mount elsewhere")
    if is_below(real, mountpoint) and not over_source:
        raise MountError(
            f"{settings.mountpoint}: hides the source {source}: mount elsewhere, or on the source"
        )
    optional = settings.default_source and (settings.nofail or _has_archive(settings))
    try:
        opener = open_directory if settings.default_source else open_named
        store = opener(real, pinned=over_source, optional=optional)
        store.scan(())
    except FileNotFoundError as error:
        if settings.default_source:
            raise MountError(
                f"{source}: not there: this kernel has no pstore (CONFIG_PSTORE),"
                " or sysfs is not mounted"
            ) from None
        raise MountError(why_unopened(source, error)) from None
    except OSError as error:
        raise MountError(why_unopened(source, error)) from error
    if settings.default_source and not store.is_pstore and not optional:
        raise MountError(
            f"{source}: no pstore file system is mounted there:"
            " mount -t pstore pstore /sys/fs/pstore (or use -o nofail to wait for it)"
        )
    return store


def _has_archive(settings: Settings) -> bool:
    """Whether there is something to show although there is no store."""
    try:
        with os.scandir(settings.archive or DEFAULT_ARCHIVE) as entries:
            return any(entry.is_dir() for entry in entries)
    except OSError:
        return False


def check_fuse(settings: Settings) -> None:
    """Raise `MountError` where the kernel or the system will not let this user mount."""
    if not os.path.exists(_DEVICE):
        raise MountError(f"{_DEVICE}: not there: load the kernel module with: modprobe fuse")
    if os.geteuid() == 0:
        try:
            os.close(os.open(_DEVICE, os.O_RDWR))
        except OSError as error:
            raise MountError(
                f"{_DEVICE}: {error.strerror}: in a container, give it this device"
            ) from error
    elif not _fusermount():
        raise MountError(
            "fusermount3 is not installed, which users other than root need: apt install fuse3"
        )
    if settings.allow_other and os.geteuid() != 0 and not _others_allowed():
        raise MountError(
            "allow_other: only root may, unless /etc/fuse.conf has a line user_allow_other"
        )


def _fusermount() -> bool:
    import shutil  # with bz2 and lzma; root does not need it

    return shutil.which("fusermount3") is not None


def _others_allowed() -> bool:
    try:
        with open("/etc/fuse.conf") as file:
            return any(line.strip() == "user_allow_other" for line in file)
    except OSError:
        return False
