"""A crash made on purpose: its marker, and whether the next boot finds its record.

`pstorefs --check --crash` writes a marker into the archive and a line with a token into the log of
the kernel, then crashes the machine. A dump with that token proves the whole chain: kernel,
store, reboot, and this program.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable
from typing import NamedTuple

from pstorefs.archive import durable
from pstorefs.archive.never_erased import boot_id
from pstorefs.catalog.catalog import Catalog
from pstorefs.catalog.view import Listed
from pstorefs.report.material import material
from pstorefs.system.utc import rfc3339

#: In the archive's directory, where names that begin with a dot are not dumps.
MARKER = ".test-crash.json"
_SCHEMA = 1
_MOST_BYTES = 4096
_TOKEN = re.compile(r"[0-9a-f]{32}")
# So many crashes, the newest first, are searched.
_MOST_DUMPS = 32
# Clocks may differ by so much between the marker and the record.
_CLOCK_SECONDS = 86400


class Marker(NamedTuple):
    """A test crash: when (Unix time), in which boot, and what the log says of it."""

    token: str
    time: int
    boot: str

    @property
    def line(self) -> str:
        """The line in the kernel's log."""
        return f"pstorefs: test crash {self.token}"


class Verdict(NamedTuple):
    """The result of a test crash. `dump` is the name of its record, or empty."""

    marker: Marker
    #: The machine has not been rebooted since.
    waiting: bool
    dump: str

    def __str__(self) -> str:
        when = rfc3339(self.marker.time * 10**9)
        if self.dump:
            return f"The test crash of {when} was recorded: dumps/{self.dump}."
        if self.waiting:
            return f"A test crash was started at {when}, and this machine is still running."
        return f"No record of the test crash of {when} was found: pstorefs --check may say why."


def write_marker(directory: int, marker: Marker) -> None:
    """Write it, durably, into the directory of an archive. OSError."""
    text = json.dumps({"schema": _SCHEMA, **marker._asdict()}).encode() + b"\n"
    temporary = f"{durable.NEW}{MARKER}"
    durable.remove(directory, temporary)  # of a run that was interrupted
    durable.write(directory, temporary, text)
    durable.sync(directory, temporary)
    durable.replace(directory, temporary, directory, MARKER)
    durable.sync(directory)


def read_marker(archive: str) -> Marker | None:
    """The marker in an archive; None if there is none, or it is not as it was written."""
    try:
        directory = os.open(archive, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        return parse_marker(durable.read_small(directory, MARKER, _MOST_BYTES))
    except OSError:
        return None
    finally:
        os.close(directory)


def parse_marker(text: bytes) -> Marker | None:
    """A marker's text taken apart."""
    try:
        known = json.loads(text)
        token, time, boot = known["token"], known["time"], known["boot"]
    except (ValueError, LookupError, TypeError, RecursionError):
        return None
    fits = isinstance(token, str) and _TOKEN.fullmatch(token) and type(time) is int
    if not fits or not 0 <= time < 1 << 36 or not isinstance(boot, str):
        return None
    return Marker(token, time, boot)


def find(catalog: Catalog, marker: Marker, boot: str) -> Verdict:
    """Look for its record in what is known. `boot`: the boot_id of now."""
    for dump in _candidates(catalog.dumps().values(), marker):
        try:
            if marker.line.encode() in material(catalog, dump).text():
                return Verdict(marker, False, dump.name)
        except OSError:
            continue  # it went, or cannot be read: then it proves nothing
    return Verdict(marker, bool(boot) and boot == marker.boot, "")


def _candidates(dumps: Iterable[Listed], marker: Marker) -> list[Listed]:
    earliest = (marker.time - _CLOCK_SECONDS) * 10**9
    found = [d for d in dumps if d.is_crash and (d.time_ns is None or d.time_ns >= earliest)]
    return found[::-1][:_MOST_DUMPS]


class Seeker:
    """Looks for the record of the last test crash; again when something new is known."""

    def __init__(self, catalog: Catalog, archive: str) -> None:
        self._catalog = catalog
        self._archive = archive
        self._known: tuple[Marker, int, Verdict] | None = None

    def verdict(self) -> Verdict | None:
        """None: there was no test crash."""
        marker = read_marker(self._archive)
        if marker is None:
            return None
        self._catalog.dumps()
        key = marker, self._catalog.generation
        if self._known is None or self._known[:2] != key:
            self._known = (*key, find(self._catalog, marker, boot_id()))
        return self._known[2]
