"""A reboot without a record, as an entry of its own: -o unclean.

Whoever looks why a machine was booted (cli/unclean.py) does so once a boot. What was found is
frozen among the receipts before anything is sent: the journal forgets, and whatever is sent again
must be the same bytes. Id and key are made of machine and boot, so that repeats are one object.

It is not a dump: the archive does not have it, and neither metrics nor the journal count it. In the
store it is an entry and a bundle as all others, of report.txt and summary.json alone.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, NamedTuple

from pstorefs import __version__
from pstorefs.archive import layout
from pstorefs.fleet import bundle, entry, keys, receipts, ship
from pstorefs.fleet.parcel import GZIP, JSON
from pstorefs.settings.ship import NOBODY
from pstorefs.system.utc import rfc3339

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pstorefs.fleet.parcel import Object

TITLE, CLASS = "reboot without a record", "reboot"
_SCHEMA = 1


class Reboot(NamedTuple):
    """Why a boot began. Times are Unix times."""

    boot: str
    booted: int
    noted: int
    host: str
    kernel: str
    #: In a word; for people, line by line; for programs, as in meta/status.json.
    answer: str
    text: str
    cause: Mapping[str, Any]


def frozen(reboot: Reboot) -> bytes:
    """As it is kept among the receipts."""
    return json.dumps(reboot._asdict()).encode()


def thawed(data: bytes) -> Reboot | None:
    """The reverse; None for what was written by nobody like us."""
    try:
        return Reboot(**json.loads(data))
    except (ValueError, TypeError, RecursionError):
        return None


def objects_of(sender: ship.Sender, reboot: Reboot) -> tuple[Object, Object]:
    """Bundle and index entry. ValueError if no key can name the machine."""
    machine, host = sender.identity.of({"machine": {"hostname": reboot.host}})
    given = "" if sender.settings.host == NOBODY else sender.settings.host or reboot.host
    summary = _summary(reboot, machine, given)
    whose = keys.reboot_id(machine, reboot.boot)
    name = f"{keys.REBOOT}{whose[:8]}"
    names = keys.names(machine, name, whose, reboot.booted, "", "", host)
    files = {
        layout.REPORT: reboot.text.encode(errors="replace"),
        layout.SUMMARY: json.dumps(summary, indent=1).encode() + b"\n",
    }
    packed = bundle.pack(name, files, names.moment)
    about = entry.Bundle(names.bundle_key, len(packed.data), packed.sha256, packed.tar_sha256)
    line = entry.line(names, whose, None, reboot.noted, entry.columns(summary), about)
    return (names.bundle_key, packed.data, GZIP), (names.index_key, line, JSON)


def _summary(reboot: Reboot, machine: str, host: str) -> dict[str, Any]:
    return {
        "schema": _SCHEMA,
        "program": f"pstorefs {__version__}",
        "title": TITLE,
        "class": CLASS,
        "crash": False,
        "reason": reboot.answer,
        "time": rfc3339(reboot.booted * 10**9),
        "time_source": "boot",
        "reading_kernel": reboot.kernel or None,
        "boot": reboot.boot,
        "machine": {"machine_id": machine, "hostname": host or None},
        "reboot_cause": dict(reboot.cause),
    }


def run(sender: ship.Sender) -> list[ship.Result]:
    """Ship what is noted and not shipped. After `ship.run`, which waits its time."""
    end = sender.clock.now() + sender.settings.run
    results = []
    for boot, data in receipts.reboots(sender.receipts):
        reboot = thawed(data)
        if reboot is None:
            receipts.note_reboot(sender.receipts, boot, b"")
            continue
        results.append(_one(sender, reboot, end))
        sender.told(results[-1])
        if results[-1].store_wide:
            break
    return results


def _one(sender: ship.Sender, reboot: Reboot, end: float) -> ship.Result:
    what = f"{TITLE} ({reboot.answer})"
    try:
        objects = objects_of(sender, reboot)
    except ValueError as error:
        return ship.Result(what, ship.FAILED, why=str(error))
    answer = ship.put_all(sender, objects, end)
    if not answer.there:
        return ship.not_there(what, answer)
    key, data, _ = objects[0]
    receipts.note_reboot(sender.receipts, reboot.boot, b"")
    return ship.Result(what, ship.SHIPPED, key, len(data))
