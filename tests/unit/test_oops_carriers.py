"""A crash has the same name, whoever carried its log and whatever stands around it.

Each real crash of the corpus is written anew as programs, consoles and machines write logs, and
must be called the same; of a log that breaks off, no other function is ever named.
"""

from __future__ import annotations

import html
import itertools
import re
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

import pytest

from pstorefs.dump import group, join
from pstorefs.oops import Facts, parse_console, parse_dump
from tests.made import Texts, efi_name, items_of, record_of
from tests.records import CORPUS, capture, captures

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

_LINE = re.compile(rb"(?:<(\d{1,3})>)?\[ *(\d+)\.(\d{6})\] ?(.*)", re.DOTALL)


@dataclass(frozen=True)
class Crash:
    """A dump of the corpus, and what its whole text says."""

    text: bytes
    reason: str
    count: int | None
    facts: Facts

    def lines(self) -> list[tuple[bytes, int, bytes]]:
        """Level, microseconds and text of each line; a line of this program has those before it."""
        level, time = b"6", 0
        found = []
        for raw in self.text.splitlines():
            match = _LINE.fullmatch(raw)
            if match is not None:
                level, time = match[1] or level, int(match[2] + match[3])
            found.append((level, time, match[4] if match is not None else raw))
        return found


@cache
def crashes() -> dict[str, Crash]:
    """Of each architecture one crash of each signature."""
    found: dict[str, Crash] = {}
    architectures = sorted((CORPUS / "architectures").glob("*.tar.xz"))
    names = [f"architectures/{path.name.removesuffix('.tar.xz')}" for path in architectures]
    for name in [*captures(), *names]:
        if "unrecoverable" in name:
            continue
        texts = Texts()
        for dump in group(items_of(capture(name).enc, texts)):
            if dump.type != "dmesg":
                continue
            text = join(dump, texts)
            facts = parse_dump(text, dump.reason or "", dump.count)
            machine = name.split("-")[1] if "/" in name else "x86"
            key = f"{machine}: {facts.title}"
            found.setdefault(key, Crash(text, dump.reason or "", dump.count, facts))
    return found


def said(facts: Facts) -> tuple[str, str, str]:
    return facts.title, facts.signature, facts.error_class


def caller(text: bytes, before: bytes = b"") -> bytes:
    return before + b"[    T1] " + text


def stamp(time: int) -> bytes:
    return b"[%5d.%06d]" % divmod(time, 1_000_000)


#: How one line is written: of its level, its time in microseconds and its text.
CARRIERS: dict[str, Callable[[bytes, int, bytes], bytes]] = {
    "without times": lambda _, __, text: text,
    "with levels alone": lambda level, _, text: b"<" + level + b">" + text,
    "with callers": lambda level, time, text: b"<" + level + b">" + caller(text, stamp(time)),
    "with callers alone": lambda _, __, text: caller(text),
    "carriage returns": lambda _, time, text: stamp(time) + b" " + text + b"\r",
    "carriage returns before": lambda _, __, text: b"\r" + text,
    "blanks after": lambda _, time, text: stamp(time) + b" " + text + b"   ",
    "dmesg -T": lambda _, __, text: b"[Mon Nov 30 08:47:01 2026] " + text,
    "dmesg -T and callers": lambda _, __, text: caller(text, b"[Mon Nov 30 08:47:01 2026]"),
    "dmesg -T 2.41 and callers": lambda _, __, text: caller(text, b"[Mon Nov 30 08:47:01 2026] "),
    "dmesg -e": lambda _, __, text: b"[Nov30 08:47] " + text,
    "dmesg -x": lambda _, time, text: b"kern  :warn  : " + stamp(time) + b" " + text,
    "dmesg iso": lambda _, __, text: b"2026-11-30T08:47:01,123456+00:00 " + text,
    "dmesg -L": lambda _, time, text: (
        b"\x1b[32m" + stamp(time) + b" \x1b[0m\x1b[31m" + text + b"\x1b[0m"
    ),
    "a terminal": lambda _, time, text: stamp(time) + b" " + text + b"\x1b[0m\x1b[K",
    "the title of a window": lambda _, __, text: b"\x1b]0;host\x07" + text,
    "systemd's context": lambda _, __, text: b"\x1b]3008;start=1;pid=1\x1b\\" + text,
    "journal": lambda _, __, text: b"Nov 30 08:47:01 host kernel: " + text,
    "journal monotonic": lambda _, time, text: stamp(time) + b" host kernel: " + text,
    "journal iso": lambda _, __, text: b"2026-11-30T08:47:01+0000 host kernel: " + text,
    "syslog and times": lambda _, time, text: (
        b"Nov 30 08:47:01 host kernel: " + stamp(time) + b" " + text
    ),
    "RFC 5424": lambda level, __, text: (
        b"<" + level + b">1 2026-11-30T08:47:01.123456Z host kernel - - - " + text
    ),
    "netconsole": lambda _, time, text: b"10.0.0.1 " + stamp(time) + b" " + text,
    "netconsole extended": lambda level, time, text: level + b",12,%d,-;" % time + text,
    "netconsole with release": lambda level, time, text: (
        b"6.12.107+deb13-amd64," + level + b",12,%d,-,caller=T1;" % time + text
    ),
    "ts": lambda _, __, text: b"Nov 30 08:47:01 " + text,
    "tio": lambda _, __, text: b"[08:47:01.123] " + text,
    "docker": lambda _, time, text: b"2026-11-30T08:47:01.123456789Z " + stamp(time) + b" " + text,
    "indented": lambda _, __, text: b"    " + text,
    "quoted": lambda _, __, text: (b"> " + text).rstrip(),
    "quoted twice": lambda _, time, text: b"> > " + stamp(time) + b" " + text,
    "a page": lambda level, time, text: html.escape(
        (b"<" + level + b">" + stamp(time) + b" " + text).decode("latin-1")
    ).encode("latin-1"),
    "a page with a tag after each line": lambda _, __, text: (
        html.escape(text.decode("latin-1")).encode("latin-1") + b"<br />"
    ),
    "every line twice": lambda _, time, text: (stamp(time) + b" " + text + b"\n") * 2,
}


def written(crash: Crash, how: Callable[[bytes, int, bytes], bytes]) -> bytes:
    return b"".join(how(*line) + b"\n" for line in crash.lines())


@pytest.mark.parametrize("carrier", CARRIERS)
def test_a_crash_has_one_name_whoever_carried_its_log(carrier: str) -> None:
    for name, crash in crashes().items():
        facts = parse_dump(written(crash, CARRIERS[carrier]), crash.reason, crash.count)
        assert said(facts) == said(crash.facts), name


_PLACE = re.compile(rb"(?<![\w.])([A-Za-z_]\w*)\+0x[0-9a-f]+/0x[0-9a-f]+")
_ADDRESS = re.compile(rb"\b(ffff[0-9a-f]{4})[0-9a-f]{8}\b")

#: What is different on another machine, or in another build of the same source.
MACHINES: dict[str, Callable[[bytes], bytes]] = {
    "offsets": lambda text: _PLACE.sub(rb"\1+0x77/0x1234", text),
    "addresses": lambda text: _ADDRESS.sub(rb"\g<1>12345678", text),
    "lines of the source": lambda text: re.sub(rb"(\.[chS]):\d+", rb"\1:4321", text),
    "PID": lambda text: re.sub(rb"(PID: |pid[:=] ?)\d+", rb"\g<1>31337", text),
    "comm": lambda text: text.replace(b"Comm: init ", b"Comm: kworker/u8:3 "),
    "CPU": lambda text: re.sub(rb"^CPU: \d+", b"CPU: 127", text),
    "kernel": lambda text: re.sub(rb"6\.\d+\.\d+\S* #\d.*", b"7.1.0-rc2+ #77 SMP", text),
    "hardware": lambda text: re.sub(rb"(Hardware name: ).*", rb"\1PowerEdge R740, BIOS 2", text),
    **{
        suffix: lambda text, suffix=suffix: _PLACE.sub(
            lambda found: found[1] + suffix.encode() + found[0][len(found[1]) :], text
        )
        for suffix in (".isra.0", ".constprop.0", ".part.0", ".cold", ".isra.0.cold", ".llvm.123")
    },
}


@pytest.mark.parametrize("difference", MACHINES)
def test_a_crash_has_one_name_on_every_machine(difference: str) -> None:
    for name, crash in crashes().items():
        text = written(crash, lambda _, time, text: stamp(time) + b" " + MACHINES[difference](text))
        facts = parse_dump(text, crash.reason, crash.count)
        assert said(facts) == said(crash.facts), name


#: Lines of drivers and programs between those of a report. Devices are called like places.
_NOISE = (
    b"sd 0:0:0:0: [sda] Synchronizing SCSI cache",
    b"e1000e 0000:00:19.0 eth0: NIC Link is Up 1000 Mbps Full Duplex",
    b"usb 1-1: new high-speed USB device number 5 using xhci_hcd",
    b"audit: type=1400 audit(1576846123.123:45): avc: denied { map } for pid=8",
    b"systemd[1]: Started Journal Service.",
)


@pytest.mark.parametrize("timed", [True, False])
def test_lines_of_others_in_between_change_no_name(timed: bool) -> None:
    for name, crash in crashes().items():
        noise = itertools.cycle(_NOISE)
        lines = (
            [stamp(time) + b" " + text, (stamp(time) + b" " if timed else b"") + next(noise)]
            for _, time, text in crash.lines()
        )
        text = b"\n".join(itertools.chain(*lines))
        facts = parse_dump(text, crash.reason, crash.count)
        assert said(facts) == said(crash.facts), name


def parts_of(crash: Crash, size: int) -> list[bytes]:
    """Divide a text as a kernel does: whole lines, part 1 is the end."""
    parts: list[bytes] = []
    room = -1
    head = f"{crash.reason}#{crash.count} Part".encode()
    for line in reversed(crash.text.splitlines(keepends=True)):
        if len(line) > room:
            parts.append(b"")
            room = size - len(head) - 3
        parts[-1] = line + parts[-1]
        room -= len(line)
    return [head + b"%d\n" % number + part for number, part in enumerate(parts, 1)]


@pytest.mark.parametrize("size", [1024, 4096, 16384])
def test_a_crash_has_one_name_however_its_text_was_divided(size: int) -> None:
    for name, crash in crashes().items():
        if not crash.reason or b"[pstorefs: " in crash.text:
            continue
        texts = Texts()
        records = [
            record_of(efi_name(1_795_942_021, number, crash.count or 1), part, texts=texts)
            for number, part in enumerate(parts_of(crash, size), 1)
        ]
        (dump,) = group(records)
        joined = join(dump, texts)
        assert joined == crash.text, name
        assert said(parse_dump(joined, crash.reason, crash.count)) == said(crash.facts), name


def own(crash: Crash) -> list[bytes]:
    """The lines of the report alone."""
    assert crash.facts.span is not None
    span = crash.facts.span
    return crash.text[span.start : span.end].splitlines(keepends=True)


def functions(texts: Iterable[bytes]) -> set[str | None]:
    return {parse_console(text).function for text in texts}


def test_of_a_report_that_breaks_off_no_other_function_is_named() -> None:
    for name, crash in crashes().items():
        if crash.facts.cut or not crash.facts.found:
            continue
        lines = own(crash)
        whole = parse_console(b"".join(lines)).function
        begun = (b"".join(lines[:number]) for number in range(1, len(lines)))
        assert functions(begun) <= {whole, None}, name


def test_of_a_line_that_breaks_off_no_other_function_is_named() -> None:
    for name, crash in crashes().items():
        if crash.facts.cut or not crash.facts.found:
            continue
        text = b"".join(own(crash))
        whole = parse_console(text).function
        assert functions(text[:end] for end in range(150, len(text), 7)) <= {whole, None}, name


_CPU = "CPU: 1 PID: 42 Comm: a Not tainted 6.1.5 #7\n"
_TRACE = f"{_CPU}Call Trace:\n culprit+0x1/0x20\n do_syscall_64+0x1/0x20\n"


@pytest.mark.parametrize(
    "device", ["sd 0:0:0:0: [sda] Write Protect is off", "pci 0000:00:1f.2: x"]
)
def test_a_device_is_not_a_place(device: str) -> None:
    text = (
        "WARNING: bad unlock balance detected!\n6.1.5 #7 Not tainted\n"
        f"a/42 is trying to release lock (x) at:\n{device}\n"
        "[<ffffffff8143d423>] culprit+0x1/0x20\nbut there are no more locks to release!\n"
        f"{_CPU}Call Trace:\n other+0x1/0x20\n do_syscall_64+0x1/0x20\n"
    )
    assert parse_console(text.encode()).function == "culprit"


@pytest.mark.parametrize(
    "module", ["[m]", "[m 0123456789abcdef0123456789abcdef01234567]", "[m(OE)]"]
)
def test_a_modules_build_is_not_part_of_its_name(module: str) -> None:
    text = (
        f"BUG: KASAN: use-after-free in memcpy+0x1/0x20 {module}\n"
        f"Read of size 1 at addr ffff8880a2c2e640 by task a/42\n{_TRACE}"
    )
    assert parse_console(text.encode()).title == "KASAN: use-after-free Read in memcpy"


def test_blanks_that_somebody_squeezed_change_no_name() -> None:
    for blanks in ("  ", " "):
        text = f"BUG: Bad page state in process a{blanks}pfn:7deea\n{_TRACE}"
        assert parse_console(text.encode()).title == "BUG: Bad page state in culprit"


@pytest.mark.parametrize("times", [1, 2])
def test_a_header_that_is_there_twice_begins_one_trace(times: int) -> None:
    text = (
        "WARNING: inconsistent lock state\n6.1.5 #7 Not tainted\n"
        "{HARDIRQ-ON-W} state was registered at:\n lock_acquire+0x1/0x20\n innocent+0x1/0x20\n"
        f"\nstack backtrace:\n{_TRACE}"
    )
    lines = [line * times for line in text.splitlines(keepends=True)]
    assert parse_console("".join(lines).encode()).title == "inconsistent lock state in culprit"
