"""summary.json as it lies in an archive, with what it does not show.

There it has two more keys: `digest`, the last line, is the SHA-256 of all bytes
before it, against silent damage; and `saved`:

=========== =====================================================================================
mtime_ns    when it was, as the mount shows it: a whole number of nanoseconds since 1970
mtimes      of each file in raw/ the mtime that it was saved with
texts       SHA-256 of dmesg.txt, console.txt and logcat.txt as they were composed
key         the key of a boot that this dump would begin, see dump/boots.py
start       when that boot began, in seconds since 1970; null: not known
tail        fingerprint of the newest line: where it is in another record, that is the same boot
=========== =====================================================================================

A program of an earlier version finds nothing wrong with such a dump: SHA256SUMS is as it was.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

from pstorefs.record.record import ARCHIVE
from pstorefs.system.json_lines import laid_out, value_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pstorefs.dump import Dump

#: The key of what is added.
SAVED = "saved"
_END, _DIGEST = b"\n}\n", b',\n "digest": "'
_SAVED_LINE = b',\n "saved": {'


def with_saved(dump: Dump, keys: Mapping[str, Any], texts: Mapping[str, bytes]) -> bytes:
    """summary.json as it is stored in an archive: `keys`, and what is added, see above."""
    from pstorefs.dump import boots

    facts = boots.facts_of(dump)
    tail = facts.tail()
    saved = {
        "mtime_ns": dump.mtime_ns,
        "mtimes": {
            record.path.rpartition("/")[2]: record.mtime_ns
            for record in dump.records
            if record.place == ARCHIVE
        },
        "texts": {name: digest(data) for name, data in texts.items()},
        "key": boots.key_of(facts),
        "start": boots.start_of(facts),
        "tail": f"{tail[-1]:016x}" if tail and not facts.doubtful else None,
    }
    return sealed({**keys, SAVED: saved})


def is_cut(summary: bytes) -> bool:
    """Whether a summary.json, as it was composed, says that the text begins inside a report."""
    return f'\n "cut": {value_of(True)},'.encode() in summary


def shown(summary: bytes) -> bytes:
    """summary.json without what it has in an archive only."""
    return summary.rpartition(_SAVED_LINE)[0] + _END


def digest(data: bytes) -> str:
    """SHA-256."""
    return hashlib.sha256(data).hexdigest()


def sealed(keys: Mapping[str, Any]) -> bytes:
    """summary.json with a digest of all of it as its last line."""
    text = laid_out(keys).removesuffix(_END)
    return text + _DIGEST + digest(text).encode() + b'"' + _END


def is_sealed(data: bytes) -> bool:
    """Whether a summary.json is, to the byte, what was sealed."""
    text, _, rest = data.rpartition(_DIGEST)
    return rest == digest(text).encode() + b'"' + _END


def readers_bytes(keys: Mapping[str, Any]) -> int:
    """Bytes of the values of a summary.json that depend on who reads it, and on other dumps."""
    machine = keys["machine"]
    values = (
        keys["program"],
        keys["reading_kernel"],
        machine["machine_id"],
        machine["hostname"],
        keys["boot_dumps"],
    )
    return sum(len(value_of(value)) for value in values)
