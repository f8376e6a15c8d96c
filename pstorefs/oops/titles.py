"""What a report is called, and by what one recognises the same bug elsewhere.

The signature names what happened and where, in the words of the table of kinds and the function's
name in the source; nothing of the machine, the boot or the build goes into it.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from pstorefs.oops.gaps import breaks_off
from pstorefs.oops.guilty import blame
from pstorefs.oops.leads import fault_title
from pstorefs.oops.lines import Line, clean
from pstorefs.oops.refinements import is_bug, refined, says
from pstorefs.oops.report import Report, read_body
from pstorefs.oops.report_kinds import (
    BUG,
    HARD_LOCKUP,
    LOST,
    OLD_BUG,
    PAGING,
    SYMBOL,
    Blame,
    lost_kind,
    trap_name,
)
from pstorefs.oops.skip_functions import first, is_machinery, plain

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pstorefs.oops.report_kinds import Kind
    from pstorefs.oops.trace import Body

#: Raise when the key of any report changes; old and new signatures are then not comparable.
SIGNATURE_VERSION = 2
TITLE_MAX = 200
#: Frames after the machinery that make up a path, and how few of them are one.
PATH_MAX = 5
PATH_MIN = 2


@dataclass(frozen=True, slots=True)
class Name:
    """How one report is called, and by what the same bug is recognised.

    `key` and `path` are what the two signatures are hashes of; empty: what is known would be the
    same for different bugs.
    """

    title: str
    error_class: str
    #: What happened, and in which function.
    key: str
    #: What happened, and by which functions the kernel came there.
    path: str
    function: str | None


#: A warning with these words after its first line is a report of another kind.
_WARNED_OF_LOCKUP = re.compile(r"Watchdog detected hard LOCKUP on cpu \d", re.ASCII)
#: What a panic's message is shortened to, where part of it differs from crash to crash.
_PANICS = (
    (re.compile(r"Attempted to kill init!"), "Attempted to kill init!"),
    (re.compile(r"corrupted stack end detected inside scheduler"), "corrupted stack end"),
    (re.compile(r"stack-protector: Kernel stack is corrupted in: "), "stack is corrupted"),
    (re.compile(r"Couldn't open N_TTY ldisc"), "Couldn't open N_TTY ldisc"),
    (re.compile(r"CFI failure \(target: "), "CFI failure"),
    (re.compile(r"System is deadlocked on memory"), "System is deadlocked on memory"),
    (re.compile(r"LBUG$"), "LBUG"),
)
#: What tells only where the root is, and after the first sentence of a message, what to do then.
_ROOT = re.compile(r'(?<=mount root fs on )".{0,300}" or (?=unknown-block)', re.ASCII)
_ADVICE = re.compile(r"(?<=[.!]) +[A-Z][a-z].*")
#: A panic whose own trace has the place: its message, who found it, and what it is a report of.
_FOUND_BY = tuple(
    (re.compile(message, re.ASCII), frame, kind)
    for message, frame, kind in (
        (
            r".{0,60}(?:panic_on_(?:warn|taint) set|warned too often)",
            "__warn",
            lost_kind(("__warn",)),
        ),
        # 3.x to 4.0 have no line before it
        (r"(?:Watchdog detected hard|Hard) LOCKUP", "watchdog_overflow_callback", HARD_LOCKUP),
        (r"softlockup: ", "watchdog_timer_fn", lost_kind(("watchdog_timer_fn",))),
    )
)
_STACK_PROTECTOR = re.compile(rf".{{0,60}}corrupted in: (?P<function>{SYMBOL})", re.ASCII)
_ADDRESS = re.compile(r"\b(?:0x[0-9a-f]+|[0-9a-f]{8,16})\b", re.ASCII)
_LINE = re.compile(r"(?<=\.[chS]):\d{1,6}\b", re.ASCII)
_LONG_NUMBER = re.compile(r"(?<![\w.])-?\d{5,}", re.ASCII)
#: What of a message differs from machine to machine: devices, numbers.
_OF_A_MACHINE = re.compile(
    r"\(device [\w.-]{1,32}(?: state \w{1,8})?\)"
    r"|\b(?:sd[a-z]+|nvme|mmcblk|loop|dm-|md|vd[a-z]+|xvd[a-z]+)\d*\w*|\d+",
    re.ASCII,
)
_RACER = re.compile(r"([A-Za-z_][\w.$]*)(?:\+0x[0-9a-f]+/0x[0-9a-f]+)?(?: \[\w+\])?", re.ASCII)
_RUST_OLD = re.compile(r"'(?P<message>.*)', \S{1,200}:\d{1,6}:\d{1,6}$", re.ASCII)
#: What a processor calls an exception, and developers another way.
_TRAPS = {"stack segment": "stack segment fault"}
#: What KASAN called differently: a free of what is not allocated, whether it was or never was; and
#: in 4.0, with blanks in its words.
_KASAN_WORDS = {
    "double-free": "invalid-free",
    "double-free or invalid-free": "invalid-free",
    "out of bounds access": "out-of-bounds",
}
#: The function whose warnings are on what its caller gave it, and are called after both.
_SHARED_BLAME = "usb_submit_urb"


def name(report: Report, lines: list[Line], panic: Report | None = None) -> tuple[Name, Body]:
    """Return a report's name and what its lines say. `lines` are all of the text.

    Up to about 5.10 panic_on_warn stopped the machine before the warning showed its registers and
    trace: those of the panic are then the warning's.
    """
    body = read_body(report, lines)
    more: Sequence[int] = ()
    if panic is not None and panic is not report and not report.traced and not body.frames:
        more = panic.lines
        body = read_body(report, lines, more)
    own = [lines[number] for number in (*report.lines, *more)]
    body = replace(body, cut=breaks_off(report, more, body, lines))
    if report.kind is LOST and panic is not None:
        head, _ = _panic_head(panic, body)
        return _compose(head, "panic", blame(report, "", own, body), body), body
    of_panic = "message" in report.groups
    return (_name_panic if of_panic else _name_other)(report, own, body), body


def _name_panic(report: Report, own: list[Line], body: Body) -> Name:
    """Return the name of a panic of whose cause nothing else is in the text."""
    kind = _found_by(report, body)
    if kind is not None:
        report = replace(report, kind=kind)
        function = blame(report, kind.skip, own, body)
        return _compose(kind.title, kind.error_class, function, body, skip=kind.skip)
    head, function = _panic_head(report, body)
    return _compose(head, "panic", function, body, alone=True)


def _name_other(report: Report, own: list[Line], body: Body) -> Name:
    """Return the name of any other report."""
    kind = report.kind
    assert kind is not None  # noqa: S101 -- split() gives no others
    if _has_bugged(report, own, body):
        kind = BUG
    elif kind.error_class == "warning" and says(own, _WARNED_OF_LOCKUP):
        kind = HARD_LOCKUP
    report = replace(report, kind=kind)
    head, error_class, skip = refined(kind, own) or (
        _fill(kind.title, report, own),
        kind.error_class,
        kind.skip,
    )
    if kind.trap and head.startswith("UBSAN: "):  # arm64, where the check is an instruction
        error_class = "ubsan"
    shared = error_class == "warning" and plain(report.groups.get("function", "")) == _SHARED_BLAME
    function = blame(report, "messages" if shared else skip, own, body)
    if shared and function not in (None, _SHARED_BLAME):
        function = f"{function}/{_SHARED_BLAME}"
    alone = kind.blame is Blame.NOBODY
    return _compose(head, error_class, function, body, alone=alone, skip=skip)


def _has_bugged(report: Report, own: list[Line], body: Body) -> bool:
    """Whether an exception is a BUG(), by what else the report says."""
    if body.pointer is not None and body.pointer.function == OLD_BUG:
        return True
    return report.kind is not None and is_bug(report.kind, report.trap, own)


def _found_by(panic: Report, body: Body) -> Kind | None:
    """Return what a panic is a report of, if its own trace has the place; else None."""
    message = panic.groups.get("message", "")
    functions = {frame.function.split(".", 1)[0] for frame in body.frames}
    for pattern, frame, kind in _FOUND_BY:
        if pattern.match(message) and frame in functions:
            return kind if body.pointer is not None or kind.blame is Blame.PLACES else None
    return None


def _fill(template: str, report: Report, own: list[Line]) -> str:
    """Fill a kind's title with the groups of its first line."""
    if "{" not in template:
        return template
    groups = report.groups
    first_line = next((line.text for line in own if line is not None), "")
    return template.format(
        what=_what(report),
        literal=_generalise(clean(groups.get("literal", ""))),
        trap=_trap_title(report.trap or first_line, own),
        fault=fault_title(own) or PAGING,
        access=_access(own),
        racers=_racers(groups.get("racers", "")),
        head=groups.get("head", "WARNING"),
        rust=_rust_message(groups.get("place", ""), own),
    ).strip()


def _what(report: Report) -> str:
    what = clean(report.groups.get("what", ""))
    if report.kind is None or report.kind.error_class not in ("kasan", "ubsan"):
        return what
    return _KASAN_WORDS.get(what) or what.replace(" ", "-")


def _trap_title(text: str, own: list[Line]) -> str:
    name = trap_name(text) or "Oops"
    if name == "Oops" or text.startswith("Internal error: Oops: "):
        name = fault_title(own) or name
    return clean(_TRAPS.get(name, name))


def _access(own: list[Line]) -> str:
    for line in own[:12]:
        if line.text.startswith(("Read of size", "Read at addr")):
            return " Read"
        if line.text.startswith(("Write of size", "Write at addr")):
            return " Write"
    return ""


def _racers(text: str) -> str:
    names = [_RACER.match(part.strip()) for part in text.split(" / ")[:2]]
    return " / ".join(plain(found[1]) for found in names if found is not None)


def _rust_message(place: str, own: list[Line]) -> str:
    """Return why Rust's code panicked: before the place in the line, or in the line after it."""
    found = _RUST_OLD.match(place)
    if found is not None:
        return clean(found["message"], 120)
    lines = iter(own)
    for line in lines:
        if "panicked at" in line.text:
            return clean(next(lines, line).text, 120)
    return clean(place, 120)


def _generalise(text: str) -> str:
    """Take what differs from crash to crash out of a message."""
    text = _LINE.sub(":LINE", text)
    return _LONG_NUMBER.sub("NUM", _ADDRESS.sub("ADDR", text))


def _panic_head(report: Report, body: Body) -> tuple[str, str | None]:
    """Return a panic's title without the function, and the function that its message names."""
    message = clean(report.groups.get("message", ""), 400)
    function = None
    short = _ADVICE.sub("", _ROOT.sub("", _generalise(message))).rstrip(". ")
    for pattern, replacement in _PANICS:
        if pattern.search(message):
            short = replacement
    if short == "stack is corrupted":
        found = _STACK_PROTECTOR.match(message)
        function = plain(found["function"]) if found is not None else None
        if function is None or _ADDRESS.fullmatch(function):  # of a module that has no symbols
            function = first(body.places)
    elif short in ("CFI failure", "LBUG"):  # the target is what was called, not who called it
        function = first(body.places)
    elif short == "corrupted stack end":
        function = first(body.places, "waits")
    return f"kernel panic: {short}", function


def _compose(
    head: str,
    error_class: str,
    function: str | None,
    body: Body,
    *,
    alone: bool = False,
    skip: str = "",
) -> Name:
    """Put a name together. `alone`: the head says by itself which bug it is."""
    title = head if function is None else f"{head} in {clean(function, 120)}"
    what = _OF_A_MACHINE.sub("N", _ADDRESS.sub("", head))
    key = path = ""
    if function is not None or alone:
        key = f"{error_class}|{what}|{function or ''}"[:512]
    functions = path_of(body.places, skip)
    if len(functions) >= PATH_MIN:
        path = f"{error_class}|{what}|{' '.join(functions)}"[:1024]
    return Name(title[:TITLE_MAX].rstrip(), error_class, key, path, function)


def path_of(places: tuple[tuple[str, str | None], ...], tables: str = "") -> list[str]:
    """Return the first functions after the machinery, innermost first, each once."""
    found: list[str] = []
    for function, module in places:
        name = plain(function)
        if name not in found[-1:] and not is_machinery(function, tables, module):
            found.append(name)
            if len(found) == PATH_MAX:
                break
    return found


def panic_message(report: Report) -> str:
    """Return what the kernel said as it panicked."""
    return clean(report.groups.get("message", ""), 400)


def signature(key: str) -> str:
    """Return the short form of a key for comparing bugs: its version and 16 hex digits."""
    if not key:
        return ""
    digest = hashlib.sha256(key.encode("utf-8", "replace")).hexdigest()
    return f"{SIGNATURE_VERSION}:{digest[:16]}"
