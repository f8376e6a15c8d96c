"""What a report is called, and by what one recognises the same bug elsewhere.

The signature names what happened and where, in the words of the table of kinds and the function's
name in the source; nothing of the machine, the boot or the build goes into it.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from pstorefs.oops.guilty import blame
from pstorefs.oops.lines import Line, clean
from pstorefs.oops.report_kinds import LOST, SYMBOL, lost_kind, trap_name
from pstorefs.oops.reports import Report, read_body
from pstorefs.oops.skip_functions import first

if TYPE_CHECKING:
    from pstorefs.oops.trace import Body

#: Raise when the key of any report changes; old and new signatures are then not comparable.
SIGNATURE_VERSION = 1
TITLE_MAX = 200


@dataclass(frozen=True, slots=True)
class Name:
    """How one report is called."""

    title: str
    error_class: str
    #: What the signature is a hash of.
    key: str
    function: str | None


@dataclass(frozen=True, slots=True)
class _Refinement:
    """Another title for a report whose lines say more than its first one does."""

    error_class: str  # of the kind that it refines
    pattern: re.Pattern[str]  # of a line between the report's beginning and its body
    title: str
    refined_class: str
    skip: str = ""


def _refine(base: str, pattern: str, title: str, refined: str, skip: str = "") -> _Refinement:
    return _Refinement(base, re.compile(pattern, re.ASCII), title, refined, skip)


#: lib/refcount.c, lib/debugobjects.c, lib/kobject.c, fs/proc/generic.c, kernel/locking/lockdep.c,
#: lib/list_debug.c, mm/usercopy.c
_REFINEMENTS = (
    _refine("warning", r"refcount_t: ", "WARNING: refcount bug", "refcount"),
    _refine("warning", r"WARNING: .{0,60}\blib/refcount\.c:", "WARNING: refcount bug", "refcount"),
    _refine(
        "warning",
        r"ODEBUG: |WARNING: .{0,60}\blib/debugobjects\.c:",
        "WARNING: ODEBUG bug",
        "debugobjects",
        "free timers locks",
    ),
    _refine(
        "warning",
        r"kobject: |kobject_add_internal failed|WARNING: .{0,60}\blib/kobject\.c:",
        "WARNING: kobject bug",
        "kobject",
    ),
    _refine(
        "warning",
        r"proc_dir_entry |WARNING: .{0,60}\bfs/proc/generic\.c:",
        "WARNING: proc registration bug",
        "proc",
    ),
    _refine(
        "warning",
        r"WARNING: .{0,60}\bkernel/locking/lockdep\.c:",
        "WARNING: locking bug",
        "lockdep",
        "locks",
    ),
    _refine(
        "bug",
        r"list_(?:add|del)\b.{0,40}corruption|.{0,40}\blib/list_debug\.c:",
        "BUG: corrupted list",
        "corrupted-list",
        "free",
    ),
    _refine(
        "bug", r"usercopy: |.{0,40}\bmm/usercopy\.c:", "BUG: bad usercopy", "usercopy", "memory"
    ),
)
#: What a panic's message is shortened to, where part of it differs from crash to crash.
_PANICS = (
    (re.compile(r"Attempted to kill init!"), "Attempted to kill init!"),
    (re.compile(r"corrupted stack end detected inside scheduler"), "corrupted stack end"),
    (re.compile(r"stack-protector: Kernel stack is corrupted in: "), "stack is corrupted"),
    (re.compile(r"System is deadlocked on memory"), "System is deadlocked on memory"),
)
_STACK_PROTECTOR = re.compile(rf".{{0,60}}corrupted in: (?P<function>{SYMBOL})", re.ASCII)
_ADDRESS = re.compile(r"\b(?:0x[0-9a-f]+|[0-9a-f]{8,16})\b", re.ASCII)
_NUMBER = re.compile(r"\d+", re.ASCII)
_RACER = re.compile(r"([A-Za-z_][\w.$]*)(?:\+0x[0-9a-f]+/0x[0-9a-f]+)?(?: \[\w+\])?", re.ASCII)


def name(report: Report, lines: list[Line], panic: Report | None = None) -> tuple[Name, Body]:
    """Return a report's name and what its lines say. `lines` are all of the text.

    Up to about 5.10 panic_on_warn stopped the machine before the warning showed its registers and
    trace: those of the panic are then the warning's.
    """
    more = panic.lines if panic is not None and panic is not report and not report.traced else ()
    own = [lines[number] for number in (*report.lines, *more)]
    body = read_body(report, lines, more)
    assert report.kind is not None  # noqa: S101 -- split() gives no others
    if report.kind is LOST and panic is not None:
        named = _name_panic(panic, body)
        return _compose(named.title, "panic", blame(report, "memory", own, body)), body
    if report.kind.error_class == "panic" and not report.lost_head:
        if _is_warning(report, body):  # of which nothing else is in the text
            report = replace(report, kind=lost_kind(("__warn",)))
            return _compose("WARNING", "warning", blame(report, "memory", own, body)), body
        return _name_panic(report, body), body
    head, error_class, skip = _refined(report, own)
    return _compose(head, error_class, blame(report, skip, own, body)), body


def _is_warning(panic: Report, body: Body) -> bool:
    """Whether a panic is that of a warning, and its trace has the place."""
    return (
        "panic_on_warn" in panic.groups.get("message", "")
        and body.pointer is not None
        and any(frame.function.split(".", 1)[0] == "__warn" for frame in body.frames)
    )


def _refined(report: Report, own: list[Line]) -> tuple[str, str, str]:
    kind = report.kind
    assert kind is not None  # noqa: S101 -- name() has asked
    for row in _REFINEMENTS:
        if row.error_class == kind.error_class and _says(own, row.pattern):
            return row.title, row.refined_class, row.skip
    return _fill(kind.title, report, own), kind.error_class, kind.skip


def _says(own: list[Line], pattern: re.Pattern[str]) -> bool:
    """Whether a line before the report's body matches."""
    for line in own[:24]:
        if pattern.match(line.text):
            return True
        if line.text.startswith(("Call Trace", "Call trace", "RIP:", "Modules linked in")):
            return False
    return False


def _fill(template: str, report: Report, own: list[Line]) -> str:
    """Fill a kind's title with the groups of its first line."""
    if "{" not in template:
        return template
    groups = report.groups
    head = next((line.text for line in own if line is not None), "")
    return template.format(
        what=clean(groups.get("what", "")),
        literal=_generalise(clean(groups.get("literal", ""))),
        trap=_trap_title(report.trap or head),
        access=_access(own),
        racers=_racers(groups.get("racers", "")),
    ).strip()


def _trap_title(text: str) -> str:
    return clean(trap_name(text) or "Oops")


def _access(own: list[Line]) -> str:
    for line in own[:12]:
        if line.text.startswith("Read of size"):
            return " Read"
        if line.text.startswith("Write of size"):
            return " Write"
    return ""


def _racers(text: str) -> str:
    names = [_RACER.match(part.strip()) for part in text.split(" / ")[:2]]
    return " / ".join(found[1].split(".")[0] for found in names if found is not None)


def _generalise(text: str) -> str:
    """Take what differs from crash to crash out of a message."""
    return _ADDRESS.sub("ADDR", text)


def _name_panic(report: Report, body: Body) -> Name:
    message = clean(report.groups.get("message", ""), 400)
    function = None
    short = message
    for pattern, replacement in _PANICS:
        if pattern.search(message):
            short = replacement
    if short == "stack is corrupted":
        found = _STACK_PROTECTOR.match(message)
        function = found["function"] if found is not None else None
        if function is None or _ADDRESS.fullmatch(function):  # of a module that has no symbols
            function = first((place for place, _ in body.places), "")
    elif short == "corrupted stack end":
        function = first((place for place, _ in body.places), "locks waits")
    return _compose(f"kernel panic: {short}", "panic", function)


def _compose(head: str, error_class: str, function: str | None) -> Name:
    title = head if function is None else f"{head} in {clean(function, 120)}"
    key = f"{error_class}|{_NUMBER.sub('N', _ADDRESS.sub('', head))}|{function or ''}"
    return Name(title[:TITLE_MAX].rstrip(), error_class, key[:512], function)


def panic_message(report: Report) -> str:
    """Return what the kernel said as it panicked."""
    return clean(report.groups.get("message", ""), 400)


def signature(key: str) -> str:
    """Return the short form of a key for comparing bugs: its version and 16 hex digits."""
    digest = hashlib.sha256(key.encode("utf-8", "replace")).hexdigest()
    return f"{SIGNATURE_VERSION}:{digest[:16]}"
