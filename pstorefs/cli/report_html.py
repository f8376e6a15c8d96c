"""`pstorefs --report-html URL|DIRECTORY FILE`: crashes as one HTML page.

A directory may be named as such or as file://DIRECTORY. Whether it is a fleet's store or one
machine's archive is seen from what is in it: the two cannot be confused.

The file is for its owner alone, as crash logs hold secrets; one that is there already keeps its
mode. It is written beside that and renamed, so whoever reads it finds the old page or the new one.
"""

from __future__ import annotations

import errno
import gc
import logging
import os
import stat
import tempfile
from contextlib import suppress
from datetime import datetime, timezone
from functools import partial

from pstorefs.catalog.catalog import Catalog
from pstorefs.catalog.place import Place
from pstorefs.cli.questions import QuestionError, composed, write
from pstorefs.fleet import keys
from pstorefs.fleet.configured import reached
from pstorefs.fleet.remote import open_remote
from pstorefs.fleet.store import StoreError
from pstorefs.record.record import ARCHIVE
from pstorefs.report.picture.crashes import CRASH, Bounds, Picture
from pstorefs.report.picture.gather import gather
from pstorefs.report.picture.of_archive import Archive
from pstorefs.report.picture.of_fleet import Fleet
from pstorefs.report.picture.page import render
from pstorefs.settings import fleet
from pstorefs.settings.options import Settings
from pstorefs.settings.questions import Question
from pstorefs.settings.ship import ShipError
from pstorefs.system.printable import counted, printable

_MODE, _REPORT = 0o600, "report.txt"
_FILE = "file://"


def run_report_html(question: Question) -> int:
    """Write the page; the exit status. Raises `QuestionError`, OSError."""
    where, path = question.arguments
    check_target(path)  # before a store is asked for anything
    now, bounds = datetime.now(timezone.utc), Bounds()
    gc.disable()  # what is kept is bounded, and looking for garbage in it is a fifth of the time
    try:
        directory = directory_of(where)
        if directory is None or is_store(directory):
            url = where if directory is None else f"{_FILE}{os.path.abspath(directory)}"
            picture = of_store(question.settings, url, now, bounds)
        else:
            picture = of_archive(directory, now, bounds)
    finally:
        gc.enable()
    try:
        save(path, render(picture, bounds))
    except OSError as error:
        if path == "-":
            raise
        raise QuestionError(f"{path}: {error.strerror or error}") from None
    if path != "-":
        count = sum(group.count for group in [*picture.groups, *picture.others])
        words = f"{path}: {counted(count, *CRASH)} in {len(picture.days)} days"
        if not count:  # a place that is the wrong one looks like a healthy fleet
            words += f": make sure that --ship or --archive writes to {where}"
        write(f"{printable(words)}\n".encode(errors="replace"))
    return 0


def directory_of(where: str) -> str | None:
    """The directory that is meant; None: a store that is not a directory."""
    if where.startswith(_FILE):
        return where.removeprefix(_FILE)
    return None if "://" in where or where == fleet.WORD else where


def is_store(directory: str) -> bool:
    """Whether a fleet has shipped to a directory."""
    return os.path.isdir(os.path.join(directory, keys.INDEX))


def of_store(settings: Settings, url: str, now: datetime, bounds: Bounds) -> Picture:
    """The picture of a fleet's store. Raises `QuestionError`."""
    # What is wrong with the store is said once: by the error, or in the page.
    logging.getLogger("pstorefs").addHandler(logging.NullHandler())
    try:
        ship = reached(url, {name: getattr(settings, name) for name in fleet.OPTIONS})
        return gather(Fleet(open_remote(ship), ship.url), now, bounds)
    except (ShipError, StoreError) as error:
        raise QuestionError(str(error).removeprefix("option url: ")) from None
    except OSError as error:
        words = error.strerror or str(error)
        known = url.removeprefix("file://") in words
        raise QuestionError(words if known else f"{url}: {words}") from None


def of_archive(directory: str, now: datetime, bounds: Bounds) -> Picture:
    """The picture of one machine's archive. Raises `QuestionError`, OSError."""
    try:
        names = os.listdir(directory)
    except OSError as error:
        raise QuestionError(f"{directory}: {error.strerror}: give an archive's directory") from None
    catalog = Catalog([Place(ARCHIVE, directory)])
    if names and not catalog.dumps():
        words = "it has no archived dumps: give the directory of an archive, or of a fleet's store"
        raise QuestionError(f"{directory}: {words}")
    compose = partial(composed, catalog, file=_REPORT, own=False)
    return gather(Archive(catalog, directory, compose), now, bounds)


def check_target(path: str) -> None:
    """Raise `QuestionError` for a file that cannot be made, or must not be replaced."""
    if "://" in path:
        raise QuestionError(f"{path}: the page is written to a file: give URL first, FILE second")
    if path == "-":
        return
    parent = os.path.dirname(path) or "."
    with suppress(FileNotFoundError):
        if not stat.S_ISREG(os.stat(path).st_mode):
            raise QuestionError(f"{path}: this is not a regular file: give the name of a new file")
    if not os.path.isdir(parent):
        raise QuestionError(f"{parent}: {os.strerror(errno.ENOENT)}: make that directory first")


def save(path: str, data: bytes) -> None:
    """Write a file beside and rename it onto `path`. OSError. `-`: standard output."""
    if path == "-":
        write(data)
        return
    path = os.path.realpath(path)  # a link stays a link
    mode = _MODE
    with suppress(FileNotFoundError):
        mode = stat.S_IMODE(os.stat(path).st_mode)
    descriptor, beside = tempfile.mkstemp(prefix=".pstorefs-", dir=os.path.dirname(path))
    try:
        with open(descriptor, "wb") as file:
            os.fchmod(descriptor, mode)
            file.write(data)
            file.flush()
            os.fsync(descriptor)
        os.replace(beside, path)
    except BaseException:
        with suppress(OSError):
            os.unlink(beside)
        raise
