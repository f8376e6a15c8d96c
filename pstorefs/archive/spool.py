"""Names of dumps that were just saved, for programs that want to know: hooks, run later.

The archive has a directory `.on-dump` with an empty file for each of them. It is written only where
there are hooks, and by the run that saves; a later run of another program takes the names out.
"""

from __future__ import annotations

import os
import re
import stat
from contextlib import suppress

from pstorefs.archive import durable, layout

#: Programs to be run for each dump that was saved.
HOOKS = "/etc/pstorefs/on-dump.d"
FOLDER = ".on-dump"
_MOST_HOOKS = 100
_MOST_NAMES = 1000
# As run-parts(8): no backups of editors or of dpkg.
_NAME = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9_.-]*(?<!~)", re.ASCII)
_BACKUP = (".dpkg-old", ".dpkg-dist", ".dpkg-new", ".dpkg-tmp", ".bak", ".rpmsave", ".rpmnew")


def hooks(directory: str = HOOKS) -> tuple[list[str], list[str]]:
    """Paths of the programs in their order, and of those that are not run as others may write them.

    A program must be a file of root's (or this user's) that nobody else may write, and so must the
    directory be.
    """
    found: list[str] = []
    unsafe: list[str] = []
    try:
        names = sorted(os.listdir(directory))
        if _is_open_to_others(os.stat(directory)):
            return [], [directory]
    except OSError:
        return [], []
    for name in names[:_MOST_HOOKS]:
        path = os.path.join(directory, name)
        if not _NAME.fullmatch(name) or name.endswith(_BACKUP):
            continue
        with suppress(OSError):
            status = os.stat(path)
            if stat.S_ISREG(status.st_mode) and status.st_mode & stat.S_IXUSR:
                (unsafe if _is_open_to_others(status) else found).append(path)
    return found, unsafe


def _is_open_to_others(status: os.stat_result) -> bool:
    others = status.st_mode & (stat.S_IWGRP | stat.S_IWOTH)
    return bool(others) or status.st_uid not in (0, os.geteuid())


def note(archive: str, name: str) -> None:
    """Remember that a dump was saved. OSError."""
    if not layout.is_dump_name(name):
        return
    with suppress(FileExistsError):
        os.mkdir(os.path.join(archive, FOLDER), 0o700)
    above = os.open(archive, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        folder = durable.open_directory(above, FOLDER)
    finally:
        os.close(above)
    try:
        flags = os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
        os.close(os.open(name, flags, 0o600, dir_fd=folder))
        os.fsync(folder)
    finally:
        os.close(folder)


def names(archive: str) -> list[str]:
    """The dumps that were saved and not taken yet, the oldest name first."""
    try:
        found = os.listdir(os.path.join(archive, FOLDER))
    except OSError:
        return []
    return sorted(filter(layout.is_dump_name, found))[:_MOST_NAMES]


def take(archive: str, name: str) -> bool:
    """Take a name out for good. False: somebody else did."""
    try:
        os.unlink(os.path.join(archive, FOLDER, name))
    except OSError:
        return False
    return True
