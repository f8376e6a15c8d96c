"""Lines of a kernel log: where they stand, when and by whom they were printed, what they say.

One line is `<N>[ssssss.uuuuuu][  T123] text` (kernel/printk/printk.c): `<N>` syslog facility and
level, only in /dev/kmsg and pstore; the time since boot, with CONFIG_PRINTK_TIME; the task or CPU
that printed, with CONFIG_PRINTK_CALLER (5.1 and later). A syslog daemon, the journal, a serial
console or a terminal's prompt may stand before that; makers of telephones print CPU, task and
PID after the time (`_VENDORS`). Pure functions, no state, any bytes.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from pstorefs.oops.pasted import from_html, indent, is_html
from pstorefs.oops.quiet import LONG, loud
from pstorefs.system.printable import printable

#: A kernel line has at most 1024 characters (PRINTKRB_RECORD_MAX); what follows is not looked at.
LINE_MAX = 1024
#: How far into a line another program's prefix may reach.
PREFIX_MAX = 120

#: Of a longer text the end is looked at: more than any kernel's log, and where the crash is.
TEXT_MAX = 4 << 20
LINES_MAX = 1 << 16

#: Within the brackets Motorola (`,0`) and Amlogic (`@1`) have the CPU, LG has the wall clock,
#: Huawei an `s`. Before the caller dmesg of util-linux 2.41 prints a blank. After them Qualcomm and
#: Google have "c1   3456", the CPU and the PID, and Unisoc "c1".
_STAMP = (
    r"\[ *(\d{1,10})\.(\d{6})s?(?:[,@]\d{1,3}| / [\d :.-]{1,24})?\]"
    r"(?: ?\[ *([TC]\d{1,10})\])? ?(?:c(\d{1,3})(?: +(\d{1,9}))? )?"
)
_KERNEL = re.compile(r"(?:<\d{1,3}>)?" + _STAMP, re.ASCII)
_ANYWHERE = re.compile(_STAMP, re.ASCII)
#: With CONFIG_PRINTK_CALLER, but printk.time=0.
_CALLER = re.compile(r"(?:<\d{1,3}>)?\[ {0,5}([TC]\d{1,10})\] ?", re.ASCII)
#: Prefixes of lines without the kernel's own time: level, that of `dmesg -x`; then one time.
_TIMES = (
    r"\[[A-Z][a-z]{2} [A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d \d{4}\](?: |(?=\[))",  # dmesg -T
    r"\[[A-Z][a-z]{2} ?[ \d]\d \d\d:\d\d[\d:.]{0,16}\](?: |(?=\[))",  # dmesg -e
    r"\[ *\+\d{1,10}\.\d{6}\] ",  # the same, within a minute
    r"\[(?: *\d{1,10}\.\d{6} )?< *\d{1,10}\.\d{6} ?>\] ",  # dmesg -d, journalctl -o short-delta
    r"\[?\d{4}[-/]\d\d[-/]\d\d[T ][\d:.,]{8,15}\S{0,6}\]? ",  # dmesg --time-format=iso
    r"\d\d-\d\d \d\d:\d\d:\d\d\.\d{3} +\d{1,9} +\d{1,9} [A-Z] \S{0,24} *: ",  # logcat
    r"\[\d\d:\d\d:\d\d(?:\.\d{1,6})?\] ",  # tio, picocom and others that record a console
    r"[A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d(?:\.\d{1,6})? ",  # ts
)
_OTHER = re.compile(
    rf"(?:<\d{{1,3}}>)?(?:[a-z]{{3,8}} *:[a-z]{{3,7}} *: ?)?(?:{'|'.join(_TIMES)})?", re.ASCII
)
#: What makers of telephones print between the time and the text: the CPU, the task, its PID.
_VENDORS = tuple(
    re.compile(pattern, re.ASCII)
    for pattern in (
        # MediaTek: "-(2)[1:swapper/0]text", "<1>.(1)[123:kworker/1:1]text"; `-`: interrupts are off
        r" ?(?:<\d>)?[ .-]?\((?P<cpu>\d{1,3})\)\[(?P<pid>\d{1,9}):[^\]]{1,24}\] ?",
        # Samsung: "I[0:      swapper/0:    0] text", " [1:  kworker/1:0:   34] text"
        r" ?[A-Z]?\[ ?(?P<cpu>\d{1,3}): *[^\]]{1,24}?: *(?P<pid>\d{1,9})\] ?",
        # Sony: "(CPU:0-pid:1:swapper/0)", then the text
        r" ?\(CPU:(?P<cpu>\d{1,3})-pid:(?P<pid>\d{1,9}):[^)]{1,24}\) ?",
        # Huawei: "[pid:1,cpu0,swapper/0]text", maybe after "[2017:01:01 00:00:05]"
        r" ?(?:\[[\d: ]{1,24}\])?\[pid:(?P<pid>\d{1,9}),cpu(?P<cpu>\d{1,3}),[^\]]{1,24}\] ?",
    )
)
#: MediaTek: "[name:bug&]text" after its other prefix. Since 4.19 "[T1000123] swapper/0: ", the
#: caller and its name, and the module's only in some lines: a log of that form is known by these.
_MODULE = re.compile(r" ?\[name:[\w-]{1,32}&\]", re.ASCII)
_TASK = re.compile(
    r"^([^\[\n]{0,8}\[ *\d{1,10}\.\d{6}\] ?\[ *[TC]\d{1,10}\])[ -]{0,3}[^\[\]]{1,20}?: "
    r"(?:\[name:[\w-]{1,32}&\])?",
    re.ASCII,
)
_TASK_AND_MODULE = re.compile(_TASK.pattern.removesuffix("?"), re.ASCII)
#: netconsole's extended form and /dev/kmsg: level, number, microseconds, flags; then the text.
#: netconsole may put the kernel's release before that (6.7).
_EXTENDED = re.compile(
    r"(?:\d{1,3}\.\d{1,3}[\w.+~-]{0,64},)?\d{1,4},\d{1,20},(\d{1,19}),[-c+](?:,caller=([TC]\d{1,10}))?[^;]{0,80};",
    re.ASCII,
)
#: Time, maybe its zone, or seconds since 1970 (journalctl -o short-unix); host, maybe facility and
#: level (busybox); the form of RFC 5424.
_SYSLOG = re.compile(
    r"(?:(?:.{0,30}?\d\d:\d\d:\d\d\S{0,20} (?:[A-Z]{2,5} )?|\d{9,11}\.\d{1,6} )(?:\S{1,64} ){0,2}"
    r"|(?:\S{1,64} )?)kernel(?:\[\d{1,9}\])?: "
    r"|<\d{1,3}>1 \S{1,40} \S{1,64} kernel \S{1,16} \S{1,16} - ",
    re.ASCII,
)
#: What journalctl -o short-monotonic and short-delta print between the time and the text.
_HOST = re.compile(r"\S{1,64} kernel(?:\[\d{1,9}\])?: ", re.ASCII)
#: What `dmesg --color` and terminals add: colours, erased ends of lines, modes. Of the sequences
#: for the title of a window systemd has made its own, on each console (257).
_COLOUR = re.compile(r"\x1b(?:\[[0-?]{0,24}[Khlm]|\][^\x07\x1b]{0,512}(?:\x07|\x1b\\))")


class Line(NamedTuple):
    """One line. `start` and `end` are byte offsets in the text, the newline not included."""

    start: int
    end: int
    time: int | None  # microseconds since boot
    caller: str  # "T123", "C0"; empty if the log has none
    text: str  # Latin-1: one character per byte; see clean()


def split(text: bytes) -> list[Line]:
    """Return the lines of a log in their order; every byte belongs to one line or is a newline.

    Of a log that is longer than any, the last ones. Lines of a long log that can be part of no
    report have neither time nor text (quiet.py).
    """
    at = _start(text)
    raws = text[at:].decode("latin-1").split("\n")
    starts, ends = [], []
    for raw in raws:
        starts.append(at)
        ends.append(at + len(raw))
        at = ends[-1] + 1
    if is_html(text):
        raws = [from_html(raw) if "&" in raw or "<" in raw else raw for raw in raws]
    if len(raws[-1]) <= LINE_MAX:  # of a longer one the end is not looked at
        raws[-1] = _CUT_NAME.sub(r"\1", raws[-1])
    before = indent(raws)
    worth = loud(text, starts) if len(text) >= LONG else b"\1" * len(starts)
    if b": [name:" in text and any(map(_TASK_AND_MODULE.search, raws)):
        raws = [_TASK.sub(r"\1 ", raw, count=1) for raw in raws]
    result = [
        _parse(raw[before:] if before else raw, start, end)
        if each
        else Line(start, end, None, "", "")
        for raw, start, end, each in zip(raws, starts, ends, worth, strict=True)
    ]
    if result and result[-1].start == result[-1].end:
        result.pop()
    return result


#: A function at the end of a text that ends within a line: who knows how its name goes on. Before
#: it are the blanks of a trace, an address, arm's callee, or the name of a register.
_CUT_NAME = re.compile(
    r"((?:\A {1,8}|\]  |>\] \(?|(?:\)|\A {1,8}[\w.]{1,64}|\]  [\w.]{1,64}) from |\bat: |RIP: 0010:"
    r"|pc : |lr : |\bra : |\b(?:PC|LR|[EI]?IP) is at |\b[0-9a-f]{8,16}\]? \(?)(?:\? )?)"
    r"[A-Za-z_][\w.$]{0,500}\Z",
    re.ASCII,
)


def _start(text: bytes) -> int:
    """Where the part of a text begins that is looked at: at its first line, mostly."""
    if len(text) <= LINES_MAX:
        return 0
    first = 0
    if len(text) > TEXT_MAX:
        first = text.find(b"\n", len(text) - TEXT_MAX) + 1
    if text.count(b"\n", first) > LINES_MAX:
        end = len(text)
        for _ in range(LINES_MAX):
            end = text.rfind(b"\n", first, end)
        first = end + 1
    return first


def _parse(raw: str, start: int, end: int) -> Line:
    raw = raw[:LINE_MAX].rstrip("\r\n\x00 ")
    if "\x1b" in raw:
        raw = _COLOUR.sub("", raw)
    found = _KERNEL.match(raw)
    if found is None:
        raw = raw.lstrip("\x00\r")
        found = _ANYWHERE.search(raw, 0, PREFIX_MAX + 32)
    if found is not None:
        seconds, micros, caller, cpu, pid = found.groups()
        time = int(seconds + micros)  # there are six digits of microseconds
        caller = caller or (_vendor_caller(cpu, pid) if cpu is not None else "")
        text = raw[found.end() :]
        if " kernel" in text[:72]:
            text = _without_host(text)
        if "[name:" in text[:72]:
            text, caller = _without_module(text, caller)
            return Line(start, end, time, caller, text)
        if text[:1] in _VENDOR_STARTS or text[1:2] in _VENDOR_STARTS:
            text, vendor = _without_vendor(text)
            return Line(start, end, time, caller or vendor, text)
        # As Line() does it, in half the time: one is made for each line of each log.
        return tuple.__new__(Line, (start, end, time, caller, text))
    found = _CALLER.match(raw) if raw[:1] in "<[" else None
    if found is not None:
        return Line(start, end, None, found[1], raw[found.end() :])
    found = _EXTENDED.match(raw) if raw[:1].isdigit() else None
    if found is not None:
        return Line(start, end, int(found[1]), found[2] or "", raw[found.end() :])
    text = _without_prefix(raw)
    found = _CALLER.match(text) if text[:1] == "[" else None
    if found is not None:
        return Line(start, end, None, found[1], text[found.end() :])
    return Line(start, end, None, "", text)


#: What a vendor's prefix begins with, as its first character or its second.
_VENDOR_STARTS = frozenset("([<-")


def _without_vendor(text: str) -> tuple[str, str]:
    """Take a vendor's prefix off; the caller in the kernel's form, empty if there is no prefix."""
    for pattern in _VENDORS:
        found = pattern.match(text)
        if found is not None:
            return text[found.end() :], _vendor_caller(found["cpu"], found["pid"])
    return text, ""


def _without_module(text: str, caller: str) -> tuple[str, str]:
    """Take off what MediaTek prints before the text: its prefix, the task's name, the module's."""
    text, vendor = _without_vendor(text)
    found = _MODULE.match(text)
    return text[found.end() :] if found is not None else text, caller or vendor


def _vendor_caller(cpu: str, pid: str | None) -> str:
    """Return the task that printed, on whichever CPU: in a long report it may come to another one.

    Each CPU has an idle task, and all have the PID 0.
    """
    return f"T{pid}" if pid is not None and int(pid) else f"C{cpu}"


def _without_prefix(raw: str) -> str:
    found = _SYSLOG.match(raw)
    if found is not None:
        return raw[found.end() :]
    found = _OTHER.match(raw)
    return _without_host(raw[found.end() :]) if found is not None else raw


def _without_host(text: str) -> str:
    found = _HOST.match(text)
    return text[found.end() :] if found is not None else text


_BLANKS = re.compile(r" {2,}")


def clean(text: str, limit: int = 256) -> str:
    """Return Latin-1 text of a line as UTF-8 text that is safe to compose with.

    No controls, and one blank for each run of blanks: firmware pads its names.
    """
    decoded = (
        _BLANKS.sub(" ", text[:limit])
        .strip()
        .encode("latin-1", "replace")
        .decode("utf-8", "replace")
    )
    return printable(decoded, "?")


def stamped(text: bytes) -> list[bytes]:
    """Return each line that has the kernel's time, from its time on, without level and ending.

    Dumps have `<N>` before the time and consoles have not: in this form the same line of the
    same boot is the same bytes in both. Evidence for "this console belongs to that dump" and
    "these dumps are of one boot".
    """
    result = []
    for raw in text.split(b"\n"):
        line = raw.rstrip(b"\r\x00 ")
        found = _STAMPED.match(line)
        if found is not None:
            result.append(line[found.start(1) :])
    return result


_STAMPED = re.compile(rb"(?:<\d{1,3}>)?(\[ *\d{1,10}\.\d{6}(?:[,@]\d{1,3})?\])")


def times(lines: list[Line]) -> tuple[int | None, int | None]:
    """Return the first and the last time printed in the lines, in microseconds since boot."""
    seen = [line.time for line in lines if line.time is not None]
    return (seen[0], seen[-1]) if seen else (None, None)
