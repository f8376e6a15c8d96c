"""The command `pstorecat`: decode records without a mount, as zcat does with .gz files.

With --report: what a record or any other kernel log says of a crash (report/log.py). Needs the
standard library, lz4 and zstandard only, so that it works where FUSE does not.
"""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext, suppress
from functools import partial
from typing import BinaryIO

from pstorefs import __version__
from pstorefs.cli.said import say
from pstorefs.codecs.detect import MAX_INPUT
from pstorefs.record import reading
from pstorefs.record.name import ENCODED, Name, id_seconds, parse_name
from pstorefs.system import streams
from pstorefs.system.printable import whole
from pstorefs.system.utc import rfc3339

HELP = """\
usage: pstorecat [--json] [FILE...]
       pstorecat --logcat [FILE...]
       pstorecat --report [--json | --vmlinux FILE] [FILE...]

Print the text of crash records. Without FILE, or if FILE is -, read one record from
standard input. Manual: man pstorecat

  --report         print a report of the crash in each FILE: a record, or any other
                   kernel log, such as a serial console log or journalctl -k
  --logcat         print the Android log in each pmsg record, as logcat -L prints it
  --vmlinux FILE   with --report: print file and line of each frame. FILE is the kernel's
                   vmlinux with debug data, or the directory with it and the modules.
                   Needs llvm-symbolizer or addr2line
  --json           print what is known about each record or report, one object per line
  -h, --help       this text
  -V, --version    the version

Exit status: 0 every record is whole, 1 a record could not be read or decoded, or only
in part (the others are printed anyway), 2 wrong usage.
"""

_STANDARD_INPUT = "-"
_FINE = (reading.PLAIN, reading.DECODED)


def main(arguments: Sequence[str] | None = None) -> int:
    """Entry point of the command. Returns the exit status."""
    streams.complete()
    status = _main(arguments)
    streams.flushed()
    return status


def _main(arguments: Sequence[str] | None) -> int:
    files, as_json, mode, both = [], False, "", False
    words = list(sys.argv[1:] if arguments is None else arguments)
    vmlinux = _take_vmlinux(words)
    while words:
        word = words.pop(0)
        if word in ("-h", "--help"):
            return _tell(HELP)
        if word in ("-V", "--version"):
            return _tell(f"pstorecat {__version__}\n")
        if word == "--json":
            as_json = True
        elif word in ("--report", "--logcat"):
            both, mode = both or mode not in ("", word), word
        elif word == "--vmlinux":
            _complain("--vmlinux needs FILE after it: see pstorecat --help")
            return 2
        elif word == "--":
            files += words
            break
        elif word.startswith("-") and word != _STANDARD_INPUT:
            _complain(f"unknown option {word}: see pstorecat --help")
            return 2
        else:
            files.append(word)
    if both or (as_json and mode == "--logcat"):
        _complain("--logcat goes with neither --report nor --json: run pstorecat once for each")
        return 2
    if vmlinux and (as_json or mode != "--report"):
        _complain("--vmlinux goes with --report, and not with --json: see pstorecat --help")
        return 2
    report = partial(_report, vmlinux=vmlinux)
    shows: dict[str, Callable[[str, bool], bool]] = {
        "": _show,
        "--logcat": _logcat,
        "--report": report,
    }
    return _run(shows[mode], files or [_STANDARD_INPUT], as_json)


def _run(show: Callable[[str, bool], bool], files: Sequence[str], as_json: bool) -> int:
    """Show all files; the exit status."""
    try:
        shown = [show(file, as_json) for file in files]
        sys.stdout.flush()
    except OSError as error:
        # Python would try to write, and complain, once more at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        if isinstance(error, BrokenPipeError):
            return 0  # the reader has seen enough
        _complain(f"standard output: {error.strerror or error}")
        return 1
    except KeyboardInterrupt:
        return 130
    return 0 if all(shown) else 1


def _take_vmlinux(words: list[str]) -> str:
    """Take --vmlinux FILE out of a command line; empty if it is not there, or has no FILE."""
    options = words[: words.index("--")] if "--" in words else words
    if "--vmlinux" not in options[:-1]:
        return ""
    at = options.index("--vmlinux")
    _, file = words.pop(at), words.pop(at)
    return file


def _taken(file: str, read: Callable[[str], bytes]) -> bytes | None:
    """The bytes of a file; None, and a word on standard error, if they cannot be read."""
    try:
        return read(file)
    except OSError as error:
        _complain(f"{file}: {error.strerror or error}")
        return None


def _show(file: str, as_json: bool) -> bool:
    """Write one record out; whether it was whole."""
    data = _taken(file, _read)
    if data is None:
        return False
    record, name = _interpret(file, data)
    if as_json:
        _write(_json(file, name, data, record))
    elif record.state != reading.UNDECODABLE:
        _write(record.text)
    return _judge(file, record)


def _report(file: str, as_json: bool, vmlinux: str = "") -> bool:
    """Write the report of one log out; whether the log was whole."""
    from pstorefs.report import log

    def read_end(file: str) -> bytes:
        with _open(file) as source:
            return log.read_end(source)

    data = _taken(file, read_end)
    if data is None:
        return False
    record = log.text_of(file, data)
    text = record.text[: len(record.text) - record.notice_length]
    if as_json:
        _write(log.summary_line(file, text))
    else:
        _write(log.report_text(text))
    if vmlinux:
        from pstorefs.report import source_lines

        said = source_lines.lines_of(log.facts_of(text), vmlinux)
        _write("\n".join(["", *said, ""]).encode(errors="replace"))
    return _judge(file, record)


def _logcat(file: str, _: bool) -> bool:
    """Write the entries of a pmsg record out; whether there are any."""
    from pstorefs.record.pmsg import logcat

    data = _taken(file, _read)
    if data is None:
        return False
    record, _name = _interpret(file, data)
    lines = logcat(record.text[: len(record.text) - record.notice_length])
    if not lines:
        _complain(f"{file}: not an Android log: use pstorecat without --logcat")
        return False
    _write(lines)
    return _judge(file, record) if record.state != reading.SUSPECT else True


def _judge(file: str, record: reading.Reading) -> bool:
    """Say on standard error what is wrong with a record; whether it was whole."""
    if record.broken:
        _complain(f"{file}: {record.state}: {record.broken}")
    elif record.state == reading.DAMAGED:
        _complain(f"{file}: damaged: uncorrectable memory errors: parts may be wrong")
    return record.state in _FINE


def _open(file: str) -> AbstractContextManager[BinaryIO]:
    if file != _STANDARD_INPUT:
        return open(file, "rb")
    if sys.stdin is None:
        raise OSError(errno.EBADF, os.strerror(errno.EBADF))
    return nullcontext(sys.stdin.buffer)


def _read(file: str) -> bytes:
    """All bytes of a file or of standard input, up to the most that a record can have."""
    with _open(file) as source:
        data = source.read(MAX_INPUT + 1)
    if len(data) > MAX_INPUT:
        raise OSError(
            f"more than {MAX_INPUT >> 20} MiB: not a kernel record;"
            " for any other log use pstorecat --report"
        )
    return data


def _interpret(file: str, data: bytes) -> tuple[reading.Reading, Name]:
    """What the bytes say. The name tells how to take them; without one, the content does."""
    name = parse_name(os.path.basename(file))
    if name is not None:
        return reading.read(name, data), name
    plain = Name("dmesg", "unknown", None, False, file)
    record = reading.read_plain(plain, data)
    if record.state != reading.SUSPECT:
        return record, plain
    for kind in ("dmesg", "unknown"):
        encoded = Name(kind, "unknown", None, True, file.removesuffix(ENCODED))
        record = reading.read_encoded(encoded, data)
        if record.state != reading.UNDECODABLE:
            break
    return record, encoded


def _json(file: str, name: Name, data: bytes, record: reading.Reading) -> bytes:
    """One line of JSON. Keys are stable; what is not known is null."""
    import hashlib
    import json

    seconds = id_seconds(name)
    header = record.header
    known = {
        "file": whole(file),
        "type": name.type,
        "backend": None if name.backend == "unknown" else name.backend,
        "id": None if name.id is None else str(name.id),
        "time": None if seconds is None else rfc3339(seconds * 10**9),
        "state": record.state,
        "compression": record.compression,
        "problem": record.broken or None,
        "reason": header and header.reason,
        "count": header and header.count,
        "part": header and header.part,
        "ecc": record.ecc and record.ecc._asdict(),
        "size": len(record.text),
        "stored_size": len(data),
        "sha256": hashlib.sha256(data).hexdigest(),
    }
    return json.dumps(known).encode() + b"\n"


def _write(data: bytes) -> None:
    sys.stdout.buffer.write(data)


def _tell(text: str) -> int:
    error = streams.write(text)
    if error:
        _complain(f"standard output: {error.strerror}")
    return 1 if error else 0


def _complain(message: str) -> None:
    with suppress(OSError):
        sys.stdout.flush()
    say(message, "pstorecat")


if __name__ == "__main__":
    sys.exit(main())
