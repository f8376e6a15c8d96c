"""Reports whose further lines say more than their first one: what these are called instead.

A warning in lib/refcount.c is a refcount bug, whoever called; a BUG() in lib/list_debug.c a
corrupted list. Where the first line is lost, what the processor did says that there was a BUG().
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pstorefs.oops.lines import Line
    from pstorefs.oops.report_kinds import Kind


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


#: A warning's first line, up to the file.
_WARNING_AT = r"WARNING: .{0,400}\b"
#: lib/{refcount,debugobjects,kobject,list_debug}.c, fs/proc/generic.c, kernel/locking/lockdep.c,
#: mm/{usercopy,vmalloc}.c: the line that says it, or the place of the warning.
_REFINEMENTS = (
    _refine("warning", r"refcount_t: ", "WARNING: refcount bug", "refcount"),
    _refine("warning", rf"{_WARNING_AT}lib/refcount\.c:", "WARNING: refcount bug", "refcount"),
    _refine(
        "warning",
        rf"ODEBUG: |{_WARNING_AT}lib/debugobjects\.c:",
        "WARNING: ODEBUG bug",
        "debugobjects",
    ),
    _refine(
        "warning",
        # not each "kobject: ": with CONFIG_DEBUG_KOBJECT they stand between the lines of any report
        r"kobject: .{0,200}(?:is not initialized|attempted to be registered)|"
        rf"{_WARNING_AT}lib/kobject\.c:",
        "WARNING: kobject bug",
        "kobject",
    ),
    _refine(
        "warning",
        rf"proc_dir_entry |{_WARNING_AT}fs/proc/generic\.c:\d{{1,6}} (?:at )?_*proc_register",
        "WARNING: proc registration bug",
        "proc",
    ),
    _refine(
        "warning",
        # the keys of lock classes have warnings of their own
        rf"{_WARNING_AT}kernel/locking/lockdep\.c:(?!\d{{1,6}} (?:at )?lockdep_(?:un)?register)",
        "WARNING: locking bug",
        "lockdep",
        "sockets",
    ),
    _refine("warning", rf"{_WARNING_AT}mm/usercopy\.c:", "WARNING: bad usercopy", "usercopy"),
    # Of a size of 0 this function warns, of no other.
    _refine(
        "warning",
        rf"{_WARNING_AT}mm/vmalloc\.c:\d{{1,6}} (?:at )?__vmalloc_node_range",
        "WARNING: zero-size vmalloc",
        "warning",
    ),
    # An allocation that no caller may ask for: too large, or with flags that exclude each other.
    _refine(
        "warning",
        rf"{_WARNING_AT}mm/\w{{1,20}}\.c:\d{{1,6}} (?:at )?_*(?:do_)?k[vz]?malloc",
        "WARNING: kmalloc bug",
        "warning",
    ),
    _refine(
        "bug",
        r"list_(?:add|del)\b.{0,40}corruption|.{0,40}\blib/list_debug\.c:",
        "BUG: corrupted list",
        "corrupted-list",
    ),
    _refine("bug", r"usercopy: |.{0,40}\bmm/usercopy\.c:", "BUG: bad usercopy", "usercopy"),
)


def refined(kind: Kind, own: list[Line]) -> tuple[str, str, str] | None:
    """Return title, class and further tables of machinery by a report's lines, or None."""
    for row in _REFINEMENTS:
        if row.error_class == kind.error_class and says(own, row.pattern):
            return row.title, row.refined_class, row.skip
    return None


def says(own: list[Line], pattern: re.Pattern[str]) -> bool:
    """Whether a line before the report's body matches."""
    for line in own[:24]:
        if pattern.match(line.text):
            return True
        if line.text.startswith(("Call Trace", "Call trace", "RIP:", "Modules linked in")):
            return False
    return False


#: What the processor calls the instruction of BUG(), and a line that tells it from others: ud2 on
#: x86; trap on powerpc, which would send SIGTRAP to a program; mc on s390: no warning's dies.
_BUG_TRAPS = tuple(
    (re.compile(trap, re.ASCII), re.compile(shown, re.ASCII))
    for trap, shown in (
        (r"(?:Oops: )?invalid opcode: ", r"Code: .{0,300}<0f> 0b\b"),
        (r"Oops: Exception in kernel mode, sig: 5 ", r"REGS: \w{1,16} TRAP: 0?700\b"),
        (r"monitor event: 0040 ", r"monitor event: "),
        # arm, arm64; loongarch
        (r"Internal error: Oops - BUG: ", r"Internal error: "),
        (r"Oops - BUG ?\[", r"Oops - "),
    )
)


def is_bug(kind: Kind, trap: str, own: list[Line]) -> bool:
    """Whether an exception is that of a BUG() whose line is lost. `trap` is the exception's."""
    shown = next((row[1] for row in _BUG_TRAPS if row[0].match(trap)), None)
    return kind.trap and shown is not None and any(shown.match(line.text) for line in own)
