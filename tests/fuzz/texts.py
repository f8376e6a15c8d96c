"""What is read out of records and words: identification, names, headers, reports, dumps, options.

Where an input stands for several things (records, words, writes), `_CUT` divides them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from typing import Any

from pstorefs.catalog.brief import Brief
from pstorefs.catalog.view import View
from pstorefs.codecs import detect
from pstorefs.control.executor import Result
from pstorefs.control.language import LONGEST_LINE, VERBS, Command, CommandError, Lines, parse
from pstorefs.dump import Dump, group, join, latest, systemd_record, when
from pstorefs.dump.joining import body
from pstorefs.oops import OTHERS_MAX, Facts, Span, parse_console, parse_dump, stamped
from pstorefs.record import reading, shown
from pstorefs.record.name import (
    ENCODED,
    FIRMWARE,
    Name,
    id_number,
    id_seconds,
    parse_header,
    parse_name,
    parse_notice,
    split_notice,
)
from pstorefs.record.reading import DAMAGED, DECODED, PLAIN, SALVAGED, STATES, SUSPECT, UNDECODABLE
from pstorefs.record.record import PLACES, STORE, SYSTEMD, TIME_SOURCES, Record
from pstorefs.report import files, status, summary_json
from pstorefs.report.context import Context, Sibling
from pstorefs.report.material import DecodedMaterial
from pstorefs.settings.keep import UNLIMITED
from pstorefs.settings.options import Settings, UsageError
from pstorefs.settings.options import parse as parse_options
from pstorefs.settings.options import split as split_options
from pstorefs.settings.values import REMOVALS
from pstorefs.system.machine import Machine
from pstorefs.system.printable import printable
from pstorefs.system.utc import rfc3339
from pstorefs.tree.control import Control
from pstorefs.tree.meta import values
from pstorefs.tree.rights import Owner
from tests.fuzz.target import Target
from tests.records import capture, captures, records

_CUT = b"\xff\xfe\xff"
_OURS = b"[pstorefs: "
# All that a terminal obeys: C0 but for tab and newline, DEL, C1; and marks that turn text round.
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")
_UNFIT = re.compile(_CONTROL.pattern + r"|[\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]")
_NAMES = (
    "dmesg-erst-7646229349632311297.enc.z",
    "dmesg-ramoops-0.enc.z",
    "console-ramoops-0.enc.z",
    "dmesg-efi_pstore-178025850101001.enc.z",
    "dmesg-erst-7646229349632311297",
    "dmesg-pstore_blk-1",
    "console-ramoops-0",
    "pmsg-ramoops-0.enc.z",
)
_ORDER = ("Panic", "Oops", "Emergency", "Shutdown", "Restart", "", "Unknown")


def check_reading(raw: bytes) -> None:
    """The first byte chooses a name; the rest is the file."""
    data = raw[1:]
    file = _NAMES[(raw[:1] or b"\0")[0] % len(_NAMES)]
    name = parse_name(file)
    assert name is not None
    check_record(name, data, reading.read(name, data))


def check_record(name: Name, data: bytes, said: reading.Reading) -> None:
    """What must hold of any record that was read."""
    payload, notice = split_notice(data)
    text = said.text
    assert said.state in STATES
    assert said.notice_length == len(notice)
    assert text.endswith(notice)
    assert said.certain_length <= len(text)
    assert said.broken.isprintable()
    assert not said.broken.endswith(".")
    if said.header:
        assert text[: said.header.length].endswith(b"\n")
        assert said.header.length <= len(text)
    if said.compression == reading.NO_COMPRESSION:
        assert text == data, "a plain record is not as it is"
        assert said.state in (PLAIN, SUSPECT, DAMAGED)
        return
    assert name.encoded
    if said.state == UNDECODABLE:
        assert text == data
        assert said.broken
        return
    bound = detect.output_bound(len(payload))
    if said.state == DECODED or (said.state == DAMAGED and not said.broken):
        assert len(text) - len(notice) <= bound
        assert said.certain_length == len(text)
        assert name.type != "dmesg" or said.header or said.state == DAMAGED
        return
    assert said.state in (SALVAGED, DAMAGED)
    certain, added = text[: said.certain_length], text[said.certain_length :]
    assert len(certain) <= bound
    lines = added.removesuffix(notice).lstrip(b"\n").split(b"\n")
    assert lines[0].startswith(_OURS)
    assert lines[-1] == b"", "the last line has no end"
    uncertain = b"\n".join(lines[1:]).decode()
    assert not _UNFIT.search(uncertain), "uncertain text holds control characters"
    assert len(uncertain) <= 8 * bound


def _reading_seeds() -> Iterator[bytes]:
    for algorithm in ("deflate", "lzo", "lz4", "842", "zstd"):
        stored = sorted({r.stored for r in records(algorithm)}, key=lambda data: (len(data), data))
        for number, data in enumerate((*stored[:2], stored[-1][:1500])):
            yield bytes([number]) + data
    for one in captures():
        for file in list(capture(one).ref.values())[:2]:
            yield bytes([5]) + file.data[:600]
    yield b"\x01junk\nECC: 3 Corrected bytes, 2 unrecoverable blocks\n"
    yield b"\x05Panic: Total 3 times\nPanic#1 Part1\n<4>[    1.000000] a\n"


# Names, headers, notices, ids, times.


def check_names(raw: bytes) -> None:
    """A name, the text of a record, and the time of its file in seconds: three pieces."""
    first, text, clock = (*raw.split(_CUT, 2), b"", b"")[:3]
    name = first.decode("utf-8", "surrogateescape")
    parsed = parse_name(name)
    check_name(name, parsed)
    visible = shown.shown(name)
    assert visible.partition("/")[0] not in shown.RESERVED
    assert shown.stored(visible) == name, "what is shown is not found again"
    if systemd_record(name):
        assert ".." not in name.split("/")
    payload, notice = split_notice(text)
    assert payload + notice == text
    ecc = parse_notice(notice)
    assert (ecc is None) == (not notice)
    header = parse_header(payload)
    if header is not None:
        assert payload[: header.length].endswith(b"\n")
        assert f"{header.reason}#".encode() in payload[: header.length]
        assert header.count >= 0
        assert header.part >= 0
    if parsed is not None:
        mtime = int.from_bytes(clock[:9], "little", signed=True)
        check_times(name, parsed, text, mtime)


def check_name(name: str, parsed: Name | None) -> None:
    """Against a second reading of names, from the right."""
    plain = name.removesuffix(ENCODED)
    words = plain.split("-")
    if parsed is None:
        # What looks like a name and is none: a number beyond 64 bits, or an odd word.
        odd = any(not re.fullmatch(r"\w+", word, re.ASCII) for word in words)
        number = int(words[-1]) if re.fullmatch(r"[0-9]{1,20}", words[-1]) else 1 << 64
        assert odd or len(words) < 3 or number >= 1 << 64, "no name"
        return
    assert parsed.plain == plain
    assert parsed.encoded == name.endswith(ENCODED)
    assert plain.isascii()
    assert plain.isprintable()
    assert "/" not in plain
    if parsed.id is None:
        assert plain == f"{parsed.type}-{parsed.backend}"
    else:
        assert 0 <= parsed.id < 1 << 64
        sign = "-" if plain.startswith(f"{parsed.type}-{parsed.backend}--") else ""
        assert plain.startswith(f"{parsed.type}-{parsed.backend}-{sign}")
        assert int(sign + words[-1]) % (1 << 64) == parsed.id
    assert "-" not in parsed.backend
    seconds = id_seconds(parsed)
    assert seconds is None or 0 < seconds <= 253_402_300_799
    number = id_number(parsed)
    assert number is None or 0 <= number < 1 << 32


def check_times(file: str, name: Name, data: bytes, mtime: int) -> None:
    """An item of any name, time and text is dated, named and described."""
    record = Record.of(file, STORE, mtime, data, reading.read(name, data))
    nanoseconds, source = when(record)
    assert source in TIME_SOURCES
    rfc3339(nanoseconds)
    dumps = group([record])
    assert len(dumps) == in_a_dump(record)
    for dump in dumps:
        check_dump_name(dump)
        json_safe(values(record, dump.name))


def in_a_dump(record: Record) -> bool:
    """Whether a record belongs to a dump: data of powerpc's firmware is no log."""
    return record.is_dump or record.name.type not in FIRMWARE


def check_dump_name(dump: Dump) -> None:
    """A dump's name is one of a directory, and its id a hash."""
    check_directory_name(dump.name)
    assert re.fullmatch(r"[0-9a-f]{64}", dump.id)


def check_directory_name(name: str) -> None:
    """The name of a dump's directory is one of ours, and printable."""
    assert re.fullmatch(r"[0-9A-Za-z_-]+", name, re.ASCII), name
    assert len(name) <= 255


def json_safe(value: object) -> None:
    """Whether this is made of what JSON is made of, without lone surrogates."""
    if isinstance(value, dict):
        for key, each in value.items():
            assert type(key) is str
            json_safe(each)
    elif isinstance(value, list):
        for each in value:
            json_safe(each)
    elif isinstance(value, str):
        value.encode()
    else:
        assert value is None or type(value) in (int, float, bool), value


def _name_seeds() -> Iterator[bytes]:
    for one in captures():
        for name, file in list(capture(one).enc.items())[:1]:
            text = capture(one).ref.get(name.removesuffix(ENCODED), file).data[:200]
            yield _CUT.join((name.encode(), text, file.mtime_ns.to_bytes(9, "little")))
    for name in (
        *_NAMES,
        "dmesg-erst--1",
        "console-ramoops",
        "powerpc-opal-nvram-3.enc.z",
        "dmesg-efi-151240338901001",
        "status~source~source",
        "dumps/a",
        f"dmesg-erst-{(1 << 63) + (3 << 24) + 1}",
        "1512403389/001/dmesg-efi-151240338901001",
    ):
        yield name.encode() + _CUT + b"\n7 Corrected bytes, 0 unrecoverable blocks\n"


# The text of a dump.


def check_oops(raw: bytes) -> None:
    """The first byte chooses reason and count; the rest is the text."""
    how, text = (raw[:1] or b"\0")[0], raw[1:]
    count = how // 32 or None
    check_facts(text, parse_dump(text, _ORDER[how % len(_ORDER)], count))
    if how & 16:
        check_facts(text, parse_console(text))
    for line in stamped(text):
        assert line in text
        assert b"\n" not in line


def check_facts(text: bytes, facts: Facts) -> None:
    """What must hold of all that is read out of a text."""
    size, lines = len(text), text.count(b"\n") + 1
    spans = [other.span for other in facts.others]
    assert len(spans) <= OTHERS_MAX
    if facts.span is not None:
        check_span(facts.span, size, lines)
    for span in spans:
        check_span(span, size, lines)
    assert facts.title == facts.title.strip()
    assert not facts.found or facts.title, "a report without a title"
    for signature in (facts.signature, *(other.signature for other in facts.others)):
        assert re.fullmatch(r"(2:[0-9a-f]{16})?", signature), signature
    assert bool(facts.signature) == bool(facts.signature_key)
    assert re.fullmatch(r"(2:[0-9a-f]{16})?", facts.stack), facts.stack
    for words in strings(facts):
        assert not _CONTROL.search(words), f"control characters: {words!r}"
        assert "\n" not in words
        words.encode()
        assert len(words) <= 2048, "longer than a line"
    assert len(facts.trace) <= 2000
    assert len(facts.modules) <= 5000
    for number in (facts.pid, facts.cpu, facts.first_time, facts.last_time):
        assert number is None or 0 <= number < 1 << 64


def check_span(span: Span, size: int, lines: int) -> None:
    assert 0 <= span.start <= span.end <= size, span
    assert 0 <= span.first_line <= span.last_line < max(lines, 1), span


def strings(value: object) -> Iterator[str]:
    """All texts in a value made of dataclasses and tuples."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, tuple):
        for each in value:
            yield from strings(each)
    elif is_dataclass(value):
        for field in fields(value):
            yield from strings(getattr(value, field.name))


_OOPS_WORDS = tuple(
    word.encode()
    for word in (
        "Kernel panic - not syncing: ", "Call Trace:\n", " <TASK>\n", "RIP: 0010:",
        "Oops: 0000 [#1]", "BUG: ", "WARNING: ", "CPU: 1 PID: 42 Comm: ", "---[ end trace ",
        "------------[ cut here ", "Modules linked in: ", "kernel BUG at ", "INFO: task ",
        "KASAN: ", "rcu: INFO: ", "UBSAN: ", "Not tainted", "Tainted: G      D W",
        "Hardware name: ", "Linux version ", "sysrq: ", "general protection fault", "+0x1/0x2",
        "pc : ", "lr : ", "watchdog: BUG: soft lockup", "<4>[    1.000000] ", "[  T12] ",
        "NMI backtrace for cpu 1", "reboot: ", "\r\n", "[#2]", "unreferenced object",
        "possible circular locking dependency", "INFO: rcu_preempt", "Unable to handle kernel",
        "Internal error: Oops: ", "divide error: 0000 [#1]",
    )
)  # fmt: skip


def _oops_seeds() -> Iterator[bytes]:
    from tests.unit import test_oops, test_oops_mixed

    for one, two in test_oops_mixed.PAIRS:
        lines, more = (test_oops_mixed.report(each, 1, "f")[0] for each in (one, two))
        yield b"\x31" + "\n".join((*lines[:4], *more[:6], *lines[4:8])).encode()
    for text in (row[0] for row in test_oops.TITLES):
        yield b"\x31" + text.encode()[:3000]
    for one in captures():
        texts = [file.data for name, file in capture(one).ref.items() if not name.endswith(ENCODED)]
        for text in texts[:2]:
            yield b"\x30" + text[-2500:]


# Records to dumps, and what is composed of them.


def _items(raw: bytes) -> tuple[list[Record], dict[str, bytes]]:
    """Records: each a line with a name, one with time in seconds and place, and then its text."""
    records, texts = [], {}
    seen = set()
    for number, piece in enumerate(raw.split(_CUT)[:24]):
        first, _, rest = piece.partition(b"\n")
        second, _, data = rest.partition(b"\n")
        file = first.decode("ascii", "replace")
        name = parse_name(file)
        if name is None:
            file = f"dmesg-erst-{(1512403389 << 32) + number}"
            name = parse_name(file)
            assert name is not None
        clock, _, where = second.partition(b" ")
        seconds = int(clock) if clock.isdigit() and len(clock) < 13 else 1512403389
        place = PLACES[len(where) % len(PLACES)]
        path = f"20171204T222309Z-panic-1/raw/{file}" if place == "archive" else file
        if (place, path) in seen:
            continue
        seen.add((place, path))
        said = reading.read(name, data)
        record = Record.of(file, place, seconds * 10**9, data, said, path)
        records.append(record)
        texts[record.sha256 + file] = said.text
    return records, texts


def check_dumps(raw: bytes) -> None:
    """Grouping, naming and joining."""
    records, texts = _items(raw)
    dumps = group(records)
    again = group(reversed(records))
    assert [(d.name, d.id) for d in dumps] == [(d.name, d.id) for d in again], "order matters"
    held = [(record.place, record.path) for dump in dumps for record in dump.records]
    logs = [record for record in records if in_a_dump(record)]
    assert sorted(held) == sorted((record.place, record.path) for record in logs), "lost or doubled"
    assert len({dump.name for dump in dumps}) == len(dumps), "two dumps of one name"
    newest = latest(dumps)
    assert newest is None or newest.is_crash
    crashes = [each for each in dumps if each.is_crash and each.parts[-1].record.is_dump]
    assert (newest is None) == (not crashes)
    for dump in dumps:
        check_dump_name(dump)
        check_joined(dump, texts)
        assert dump.parts
        assert all(0 < first <= last for first, last in dump.missing)
        rfc3339(dump.time_ns)
        if dump.boot:
            assert dump.order is not None
    _check_orders(dumps)


def _check_orders(dumps: list[Dump]) -> None:
    boots: dict[str, list[int]] = {}
    for dump in dumps:
        if dump.boot:
            boots.setdefault(dump.boot, []).append(dump.order or 0)
    for orders in boots.values():
        assert sorted(orders) == list(range(1, len(orders) + 1))


def check_joined(dump: Dump, texts: dict[str, bytes]) -> None:
    """dmesg.txt holds each part's own bytes, in order, and only whole lines of ours between."""

    def text_of(record: Record) -> bytes:
        return texts[record.sha256 + record.file]

    joined = join(dump, text_of)
    place = 0
    for part in dump.parts:
        record = part.record
        if record.state in (UNDECODABLE, SUSPECT):
            continue
        own = body(record, text_of(record))
        place = joined.find(own, place)
        assert place >= 0, "a part is not in the joined text as it is"
        place += len(own)
    assert _OURS in joined or not (
        dump.missing or dump.parts[0].record.state in (SUSPECT, SALVAGED)
    )


def _machine() -> Machine:
    return Machine("/nonexistent")


class _Survey:
    """As much of a catalog as `status` asks for."""

    def __init__(self, records: list[Record], texts: dict[str, bytes]) -> None:
        self.records = records
        self.texts = texts
        self.by_name = {dump.name: dump for dump in group(records)}
        self.unreadable = {record.file: record.broken for record in records if record.broken}

    silent = ()

    def rotten(self) -> list[str]:
        return []

    def view(self) -> View:
        return View(dumps=self.by_name)

    def text(self, dump: Dump) -> bytes:
        return join(dump, self.read)

    def read(self, record: Record) -> bytes:
        return self.texts[record.sha256 + record.file]

    def live(self) -> list[Record]:
        return [record for record in self.records if record.place == STORE]

    def dumps(self) -> dict[str, Dump]:
        return self.by_name

    def latest(self) -> Dump | None:
        return latest(self.by_name.values())

    def brief(self, dump: Dump) -> Brief:
        facts = parse_dump(self.text(dump), dump.reason or "", dump.count)
        title = facts.title or f"{dump.type} of {dump.backend}"
        return Brief(printable(title), facts.kernel, facts.signature, dump.id)


def check_report(raw: bytes) -> None:
    """report.txt, summary.json, status, meta: nothing is in them but printable text.

    Except the kernel's own report: it is the kernel's, byte for byte, and stands at the end.
    """
    records, texts = _items(raw)
    catalog: Any = _Survey(records, texts)
    dumps = list(catalog.by_name.values())
    facts = {d.name: parse_dump(catalog.text(d), d.reason or "", d.count) for d in dumps}
    for dump in dumps:
        said, text = facts[dump.name], catalog.text(dump)
        siblings = tuple(
            Sibling(
                each.name,
                summary_json.title_of(each, facts[each.name]),
                each.order or 0,
                each.reason or "",
            )
            for each in dumps
            if each is not dump and each.boot and each.boot == dump.boot
        )
        context = Context(_machine(), bool(len(raw) & 1), siblings, dump.order)
        material = DecodedMaterial(dump, catalog.read)
        composed = files.FILES["report.txt"](material, context)
        assert composed is not None
        ours = composed
        if said.span is not None:
            verbatim = text[said.span.start : said.span.end] + b"\n"
            assert composed.endswith(b"\n\nThe kernel's own report:\n\n" + verbatim)
            ours = composed[: len(composed) - len(verbatim)]
        printable_lines(ours)
        keys = summary_json.completed(material.keys(), context)
        json_safe(keys)
        summary = summary_json.summary(keys)
        printable_lines(summary)
        for words in _deep_strings(keys):
            assert not _CONTROL.search(words), f"control characters in summary.json: {words!r}"
    reporter = status.Reporter(
        catalog, "/sys/fs/pstore", _machine(), own=False, clock=lambda: 1.7e9
    )
    printable_lines(reporter.text())
    printable_lines(reporter.json())
    for record in records:
        json_safe(values(record, None))
        printable_lines("\n".join(map(str, values(record, None).values())).encode())


def printable_lines(text: bytes) -> None:
    """Lines of UTF-8 that move no cursor and turn nothing round."""
    for line in text.decode().split("\n"):
        assert line.isprintable(), f"not printable: {line!r}"


def _deep_strings(value: object) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for each in value.values():
            yield from _deep_strings(each)
    elif isinstance(value, list):
        for each in value:
            yield from _deep_strings(each)


def _dump_seeds() -> Iterator[bytes]:
    def piece(file: str, seconds: int, data: bytes, place: str = STORE) -> bytes:
        where = " " * PLACES.index(place)
        return f"{file}\n{seconds} {where}\n".encode() + data

    for one in captures():
        found = capture(one)
        some = sorted(found.ref.items())[:4]
        yield _CUT.join(piece(name, file.mtime_ns // 10**9, file.data[:400]) for name, file in some)
    boot = 1512403389 << 32
    line = b"<4>[ %4d.000001] Oops: 0002 [#1] SMP\n<4>[ %4d.000002] RIP: 0010:f+0x1/0x2\n"
    parts = [
        piece(f"dmesg-erst-{boot + n}", 1512403389, b"Panic#1 Part%d\n" % n + line % (9 - n, 9 - n))
        for n in (1, 2, 4)
    ]
    yield _CUT.join(parts)
    yield _CUT.join((*parts, piece("console-ramoops-0", 0, line % (8, 8))))
    yield _CUT.join(
        piece(
            f"dmesg-efi-{(1512403389 * 100 + n) * 1000 + 1}",
            0,
            b"Oops#1 Part%d\n" % n + line % (n, n),
            SYSTEMD,
        )
        for n in (1, 2)
    )


_DUMP_WORDS = (
    _CUT, b"Panic#1 Part1\n", b"Oops#1 Part2\n", b"<4>[    1.000001] ", b"dmesg-erst-", b"\x1b[31m",
    b"dmesg-efi_pstore-", b"console-ramoops-0\n", b"\xc2\x9b", b"\xe2\x80\xae", b"dmesg-ramoops-0",
    b"\nECC: 3 Corrected bytes, 2 unrecoverable blocks\n", b"Kernel panic - not syncing: ",
    b".enc.z\n", b"Oops: 0002 [#1] SMP\n", b"RIP: 0010:f+0x1/0x2\n",
    b"CPU: 0 PID: 1 Comm: init Not tainted 6.1 #1\n", b"Hardware name: ", b"Modules linked in: ",
)  # fmt: skip


# Options of mount(8).


def check_options(raw: bytes) -> None:
    """Words as a command line; the first byte says whether as mount(8)'s helper."""
    helper = bool(raw[:1] and raw[0] & 1)
    words = [word.decode("utf-8", "surrogateescape") for word in raw[1:].split(b"\0")]
    for word in words:
        pieces = split_options(word)
        assert all(pieces) or '"' in word
    try:
        settings = parse_options(words, helper=helper)
    except UsageError as error:
        assert str(error)
        return
    check_settings(settings)
    assert settings == parse_options(words, helper=helper)


def check_settings(settings: Settings) -> None:
    for number in (settings.uid, settings.gid):
        assert number is None or 0 <= number < (1 << 32) - 1
    for mask in (settings.umask, settings.fmask, settings.dmask):
        assert mask is None or 0 <= mask <= 0o777
    assert settings.archive is None or (
        settings.archive.startswith("/") and "\0" not in settings.archive
    )
    assert settings.rm in ("", *REMOVALS)
    keep = settings.keep
    assert keep is UNLIMITED or not keep.unlimited
    for limit in (keep.seconds, keep.size, keep.count):
        assert limit is None or limit >= 0
    if not (settings.help or settings.version or settings.archive_now):
        assert settings.mountpoint is not None
    assert not (settings.archive_now and settings.read_only) or settings.help or settings.version


_OPTION_LINES = (
    "-f\0pstore\0/mnt/crashes",
    "-o\0allow_other,gid=adm,umask=027\0pstore\0/mnt/c",
    "--archive\0-o\0keep=90d+500M+20,archive=/a\\,b",
    "-fd\0-oplain,nofail\0/a\0/b",
    "pstore\0/mnt\0-sfnv\0-N\0ns\0-t\0pstorefs\0-o\0rw,x-systemd.automount,uid=0,rm=clear",
    '-o\0archive="/a,b",ro,fmask=0777,dmask=1\0--\0-f',
    "-o\0uid=root,gid=4294967294,archive_volatile,auto_unmount\0/x",
    "--help\0-V",
)


def _option_seeds() -> Iterator[bytes]:
    for line in _OPTION_LINES:
        yield b"\0" + line.encode()
        yield b"\1" + line.encode()


def _option_words() -> tuple[bytes, ...]:
    from pstorefs.settings.options import TABLE

    return (b"\0-o\0", b"--archive", *(name.encode() for name in TABLE))


# The language of `control`.


def check_control(raw: bytes) -> None:
    """Writes to control, one after the other, divided by `_CUT`."""
    writes = raw.split(_CUT)
    lines = Lines()
    expected = pending = b""
    dropped = 0  # bytes
    got: list[bytes] = []
    wanted: list[bytes] = []
    for write in writes:
        got += lines.feed(write)
        # The rule of the docstring, told once more: a short write of its own is a whole line,
        # unless it is `clear`, whose last name may be half a name.
        alone = not pending and len(write) < 4096
        expected = pending + write
        *whole, pending = expected.split(b"\n")
        wanted += whole
        refused = alone and pending.lstrip(b" \t").startswith((b"clear ", b"clear\t"))
        if alone and pending and not refused:
            wanted.append(pending)
            pending = b""
        assert lines.pending == pending
        try:
            lines.check()
        except CommandError:
            assert refused
            dropped += len(pending)
            pending = b""
        else:
            assert not refused
    assert got == wanted
    shown = len(b"".join(got)) + len(pending) + dropped
    assert shown == len(b"".join(writes).replace(b"\n", b""))
    control = Control(lambda command: Result(0, (str(command),)), Owner(0, 0, 0o750, 0o440, 0), 0)
    for line in got[:50]:
        assert len(line) <= LONGEST_LINE
        check_line(line)
        try:
            control.execute(line)
        except OSError as error:
            assert error.errno == 22
    printable_lines(control.open().read(0, 1 << 24))


def check_line(line: bytes) -> None:
    try:
        command = parse(line)
    except CommandError as error:
        assert str(error)
        return
    if command is None:
        assert not line.decode("utf-8", "surrogateescape").split()
        return
    assert isinstance(command, Command)
    assert command.verb in VERBS
    assert command.verb != "clear" or command.names
    assert command.verb != "rescan" or not command.names
    for name in command.names:
        assert not name.endswith("/")
        assert name.encode("utf-8", "surrogateescape") in line


_CONTROL_SEEDS = (
    b"archive\n",
    b"archive dmesg-erst-1 dumps/latest\n",
    b"clear ./dmesg-ramoops-0 x/\n" + _CUT + b"rescan",
    b"arch" + _CUT + b"ive",
    b"clear \x1b[2J \xe2\x80\xae\n",
    b"clear " + b"a" * 4090 + _CUT + b"b\nrescan\n",
    b"rescan now",
    b"clear dmesg-ramoops-1" + _CUT + b"0\n",
    b"\n\n \n",
)

_CONTROL_WORDS = (_CUT, b"archive ", b"clear ", b"rescan")

TARGETS = (
    Target("reading", check_reading, _reading_seeds, share=2, seconds=2),
    Target("names", check_names, _name_seeds, (_CUT, *map(str.encode, _NAMES)), longest=512),
    Target("oops", check_oops, _oops_seeds, _OOPS_WORDS, share=3),
    Target("dumps", check_dumps, _dump_seeds, _DUMP_WORDS, share=2),
    Target("report", check_report, _dump_seeds, _DUMP_WORDS, share=2),
    Target("options", check_options, _option_seeds, _option_words(), longest=400),
    Target(
        "control",
        check_control,
        lambda: _CONTROL_SEEDS,
        (_CUT, b"archive ", b"clear ", b"rescan"),
        longest=9000,
    ),
)
