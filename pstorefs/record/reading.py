"""One record's stored bytes to its text and its state: what the mirror, dumps and pstorecat show.

======== =========== =============================================================================
name     state       text
======== =========== =============================================================================
X        plain       the bytes as they are
X        suspect     the bytes as they are; a dmesg record without a header line cannot be one
X.enc.z  decoded     what a kernel shows that can decompress the record, byte for byte
X.enc.z  salvaged    what is certain, a line ``[pstorefs: ...]``, and what is not certain
X.enc.z  undecodable the bytes as they are, under the name as it is
any      damaged     as plain, decoded or salvaged, but the ECC notice counts unrecoverable blocks
======== =========== =============================================================================
"""

from __future__ import annotations

from typing import NamedTuple

from pstorefs.codecs import detect
from pstorefs.codecs.base import CodecError
from pstorefs.record.name import Ecc, Header, Name, parse_header, parse_notice, split_notice

PLAIN = "plain"
DECODED = "decoded"
SALVAGED = "salvaged"
DAMAGED = "damaged"
SUSPECT = "suspect"
UNDECODABLE = "undecodable"
#: Of a record that shows all of what was written.
WHOLE = (PLAIN, DECODED)
STATES = (PLAIN, DECODED, SALVAGED, DAMAGED, SUSPECT, UNDECODABLE)

# Of the words on a fault, which may quote the record.
_LONGEST_FAULT = 200
_MOST_LOGGED = 1000

#: The compression of a record that was not compressed.
NO_COMPRESSION = "none"


class Reading(NamedTuple):
    """A record as it is shown.

    ``text`` is the content of the file, ECC notice included; ``compression`` a codec's name,
    ``none`` or ``unknown``; ``broken`` says in a clause what is wrong with a record that is
    salvaged, suspect or undecodable; else it is empty.
    """

    text: bytes
    state: str
    compression: str
    ecc: Ecc | None = None
    broken: str = ""
    #: The bytes at the end of `text` that are the ECC notice.
    notice_length: int = 0
    #: Where, in `text`, what is certain ends. Beyond are marked lines and uncertain text.
    #: 0: it is not a text.
    certain_length: int = 0

    @property
    def header(self) -> Header | None:
        """Its header line, if it has one. Found when asked for: a listing asks for none."""
        return parse_header(self.text[: self.certain_length])


def read_plain(name: Name, data: bytes) -> Reading:
    """A record that the kernel shows uncompressed. `data` may be its beginning only."""
    payload, notice = split_notice(data)
    ecc = parse_notice(notice)
    state, broken = PLAIN, ""
    if name.type == "dmesg" and parse_header(payload) is None:
        state = SUSPECT
        broken = "no header line: the kernel may have decompressed it wrongly"
    elif ecc and ecc.unrecoverable:
        state = DAMAGED
    return Reading(data, state, NO_COMPRESSION, ecc, broken, len(notice), len(data))


def read_encoded(name: Name, data: bytes) -> Reading:
    """A record whose name ends in .enc.z."""
    payload, notice = split_notice(data)
    ecc = parse_notice(notice) if notice else None
    damaged = ecc is not None and ecc.unrecoverable > 0
    # Copies are called after their hosts, too: web1-dmesg-erst-1.enc.z. What is called otherwise is
    # not salvaged: no kernel compresses it, and to salvage takes many times as long as to decode.
    dump = name.type.rpartition("-")[2] == "dmesg"
    try:
        decoded = detect.decode(
            payload, header=dump, damaged=damaged, lost_header=name.backend == "nvram"
        )
    except CodecError as error:
        refusal = str(error)
    else:
        text = decoded.text + notice
        return Reading(
            text,
            DAMAGED if damaged else DECODED,
            decoded.compression,
            ecc,
            notice_length=len(notice),
            certain_length=len(text),
        )
    try:
        saved = detect.salvage(payload, header=dump)
    except CodecError:
        return Reading(data, UNDECODABLE, "unknown", ecc, refusal, len(notice))
    text = _mark(saved, len(payload)) + notice
    return Reading(
        text,
        DAMAGED if damaged else SALVAGED,
        saved.compression,
        ecc,
        saved.reason,
        len(notice),
        len(saved.certain),
    )


def read(name: Name, data: bytes) -> Reading:
    """Any record's bytes to the text that is shown.

    A fault of this program, an exception that no codec should raise, costs this one record: it is
    undecodable, and is said and logged to be our fault. MemoryError alone is raised.
    """
    try:
        if name.before:
            return _read_efivar(name, data)
        return read_encoded(name, data) if name.encoded else read_plain(name, data)
    except MemoryError:
        raise
    except Exception as error:  # noqa: BLE001 - whatever it is, the other records are to be shown
        _log_once(name, data, error)
        fault = f"a bug in pstorefs: {type(error).__name__}: {error}"[:_LONGEST_FAULT]
        return Reading(data, UNDECODABLE, "unknown", broken=fault)


#: Records whose fault is in the log already: mount, catalog and archive each read a record.
_logged: set[tuple[str, int]] = set()


def _log_once(name: Name, data: bytes, error: Exception) -> None:
    import logging  # 3 ms of the start of pstorecat

    key = name.plain, hash(data)
    if key not in _logged and len(_logged) < _MOST_LOGGED:
        _logged.add(key)
        log = logging.getLogger("pstorefs")
        log.error("%s: cannot be decoded: please report this", name.plain, exc_info=error)


def _read_efivar(name: Name, data: bytes) -> Reading:
    """A record as efivarfs shows it: attributes first, then text or compressed data."""
    payload = data[name.before :]
    if parse_header(payload) is not None:
        return read_plain(name, payload)
    found = read_encoded(name, payload)
    return found._replace(text=data) if found.state == UNDECODABLE else found


def _mark(saved: detect.Salvaged, size: int) -> bytes:
    """The text of a salvaged record, with this program's lines where certainty ends."""
    text = saved.certain
    if text and not text.endswith(b"\n"):
        text += b"\n"
    what = "cut short" if saved.truncated else "broken"
    text += (
        f"[pstorefs: {saved.compression} data {what}: {saved.reason};"
        f" {saved.used} of {size} bytes used]\n"
    ).encode()
    if saved.uncertain:
        text += b"[pstorefs: uncertain from here on: wrong or missing in places]\n"
        text += saved.uncertain
        if not text.endswith(b"\n"):
            text += b"\n"
    return text
