"""Structured entries in the journal, in its native protocol (systemd's JOURNAL_NATIVE_PROTOCOL).

One entry for each dump that is saved: its name, title and signature as fields of their own, so that
``journalctl PSTOREFS_SIGNATURE=...`` finds the same bug over all boots. No text of the log: that is
for root, and the journal is for more people.
"""

from __future__ import annotations

import json
import logging
import os
import socket
from collections.abc import Mapping
from typing import Any

from pstorefs.dump import Dump

#: Where the journal listens. Absent without systemd.
SOCKET = "/run/systemd/journal/socket"
#: The kind of entry, for ``journalctl MESSAGE_ID=...``: a dump was saved.
SAVED = "5b0f2c8e6a5d4c55a2a1e3d4b7f09c61"

_log = logging.getLogger("pstorefs")


def send(message: str, **fields: str) -> bool:
    """One entry. False if there is no journal to take it."""
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
    try:
        keys = json.loads(summary)
    except ValueError:
        keys = None
    known: Mapping[str, Any] = keys if isinstance(keys, dict) else {}
    name, title = dump.name, str(known.get("title") or "no report")
    message = f"saved {name}: {title}"
    entered = send(
        message,
        MESSAGE_ID=SAVED,
        PSTOREFS_DUMP=name,
        PSTOREFS_TITLE=title,
        PSTOREFS_SIGNATURE=str(known.get("signature") or ""),
    )
    if not entered:
        _log.info("%s", message)
