"""Structured entries in the journal, in its native protocol (systemd's JOURNAL_NATIVE_PROTOCOL).

One entry for each dump that is saved, and one more when it is in the fleet's store. Each fact is a
field of its own, so that ``journalctl PSTOREFS_SIGNATURE=...`` finds the same bug over all boots.
No text of the log: that is for root, and the journal is for more people.

==================== ===========================================================================
field                value
==================== ===========================================================================
PSTOREFS_ID          of the dump, as in the fleet's index: by this doubles are known as such
PSTOREFS_DUMP        its name
PSTOREFS_TIME        when it was, RFC 3339
PSTOREFS_TITLE       what it is, for people
PSTOREFS_CLASS       oops, panic, kasan...
PSTOREFS_SIGNATURE   the same for the same bug on any machine
PSTOREFS_KERNEL      the release of the kernel that crashed
PSTOREFS_OBJECT      where it is in the store; of dumps that were shipped
==================== ===========================================================================

A field is empty if its value is not known.
"""

from __future__ import annotations

import os
import socket
from typing import TYPE_CHECKING, Any

from pstorefs.fleet import entry, keys
from pstorefs.system.printable import printable

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pstorefs.dump import Dump

#: Where the journal listens. Absent without systemd.
SOCKET = "/run/systemd/journal/socket"
#: The kind of entry, for ``journalctl MESSAGE_ID=...``: a dump was saved.
SAVED = "5b0f2c8e6a5d4c55a2a1e3d4b7f09c61"
#: A dump was shipped.
SHIPPED = "c2f1d0c1f0b24a4c9f6a3a7c5be0d8a4"
#: Columns of entry.py that are fields.
_COLUMNS = ("time", "title", "class", "signature", "kernel")


def send(message: str, **fields: str) -> bool:
    """Send one entry. False if there is no journal."""
    everything = {
        "MESSAGE": message,
        "PRIORITY": "5",
        "SYSLOG_IDENTIFIER": "pstorefs",
        **fields,
    }
    data = b"".join(_field(name, value) for name, value in everything.items())
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as messenger:
            messenger.setblocking(False)
            messenger.connect(SOCKET)
            messenger.send(data)
    except OSError:
        return False
    return True


def _field(name: str, value: str) -> bytes:
    data = os.fsencode(value)
    if b"\n" in data:
        return name.encode() + b"\n" + len(data).to_bytes(8, "little") + data + b"\n"
    return name.encode() + b"=" + data + b"\n"


def announce(dump: Dump, summary: bytes) -> None:
    """Enter a dump that was saved, or log it where there is no journal. `summary`: summary.json.

    To be called once for each dump that is in the archive, durable and verified
    (`archive.policy.Policy.on_saved`): the entry says so.
    """
    row = entry.columns(entry.parse(summary))
    message = f"saved {dump.name}: {row['title'] or 'no report'}"
    dump_id = keys.id_of(record.sha256 for record in dump.records)
    if not send(message, MESSAGE_ID=SAVED, **_fields(dump.name, dump_id, row)):
        import logging

        logging.getLogger("pstorefs").info("%s", message)


def shipped(dump: str, dump_id: str, row: Mapping[str, Any], where: str) -> None:
    """Enter a dump that is in the fleet's store now. `row`: entry.py's; `where`: its bundle's URL.

    For machines in whose journal somebody looks: where there is none, nothing is lost.
    """
    message = f"shipped {dump}: {printable(where)}"
    fields = _fields(dump, dump_id, row)
    send(message, MESSAGE_ID=SHIPPED, PSTOREFS_OBJECT=printable(where), **fields)


def _fields(dump: str, dump_id: str, row: Mapping[str, Any]) -> dict[str, str]:
    known = {f"PSTOREFS_{name.upper()}": printable(row[name] or "") for name in _COLUMNS}
    known["PSTOREFS_TITLE"] = known["PSTOREFS_TITLE"] or "no report"
    return {"PSTOREFS_ID": dump_id, "PSTOREFS_DUMP": dump, **known}
