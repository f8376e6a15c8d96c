"""The machinery of the kernel: functions that a title looks through.

A trace begins with the functions that print it, then those that checked, copied, locked, allocated
or waited on behalf of somebody: the bug is in the first function that is none of these. Their names
are in skip_tables.py. Tables in ALWAYS are looked through in every report, the others only where a
kind of report says so.
"""

from __future__ import annotations

import itertools
import re
from functools import cache, lru_cache
from typing import TYPE_CHECKING, NamedTuple

from pstorefs.oops.demangle import demangle, is_rust_runtime
from pstorefs.oops.skip_tables import TABLES

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

#: Tables that are looked through in every report.
ALWAYS = (
    "report", "checkers", "assertions", "subsystems", "memory", "containers", "locks", "alloc",
    "free", "skb", "timers", "entries",
)  # fmt: skip
#: Those that are looked through in any module, too.
_OF_MODULES = ("assertions", "subsystems", "leaks")
#: Modules whose helpers are machinery, as where they are built in. No function of any other is.
_HELPER_MODULES = frozenset((
    "crc7", "crc8", "crc16", "crc64", "crc_ccitt", "crc_itu_t", "crc_t10dif", "libcrc32c",
    "crc32_generic", "crc32_pclmul", "crc32c_generic", "crc32c_intel", "crct10dif_common",
    "aes_generic", "aesni_intel", "drbg", "libaes", "libblake2s", "libchacha", "libdes",
    "libpoly1305", "libsha1", "libsha256", "libsha512", "sha256_generic", "sha512_generic",
    "usbcore", "i2c_core", "rng_core", "rust_core", "spl",
))  # fmt: skip


class _Table(NamedTuple):
    """One table, ready to look names up in: most of it without regular expressions."""

    names: frozenset[str]
    families: tuple[str, ...]
    rest: re.Pattern[str] | None

    def match(self, name: str) -> bool:
        """Whether a name, without what compilers add, is in the table."""
        bare = name.lstrip("_")
        return (
            bare in self.names
            or bare.startswith(self.families)
            or (self.rest is not None and self.rest.match(bare) is not None)
        )


_UNDERSCORES = re.compile(r"^(?:_[*?]?)+")
_EXPANDABLE = re.compile(r"[A-Za-z0-9_|()?~]+\Z", re.ASCII)
_ANY = "~"


def _words(table: str) -> list[str]:
    lines = (line.strip() for line in table.splitlines())
    return [word for line in lines if not line.startswith("#") for word in line.split()]


@cache
def _table(name: str) -> _Table:
    """Read one table, at its first use."""
    names: set[str] = set()
    families: set[str] = set()
    rest: list[str] = []
    for word in _words(TABLES[name]):
        pattern = _UNDERSCORES.sub("", word)
        marked = pattern.replace(r"\w*", _ANY).replace(r"\w+", _ANY)
        found = _expand(marked) if _EXPANDABLE.match(marked) else []
        if not found or any(_ANY in one[:-1] for one in found):
            rest.append(pattern)
            continue
        names.update(one for one in found if not one.endswith(_ANY))
        families.update(one[:-1] for one in found if one.endswith(_ANY))
    compiled = re.compile(f"(?:{'|'.join(rest)})\\Z", re.ASCII) if rest else None
    return _Table(frozenset(names), tuple(families), compiled)


def _expand(pattern: str) -> list[str]:
    """Return all names that a pattern of words, (a|b) and ? stands for."""
    found, at = _alternatives(pattern, 0)
    assert at == len(pattern)  # noqa: S101 -- a table's row is written wrongly
    return [name.lstrip("_") for name in found]


def _alternatives(pattern: str, at: int) -> tuple[list[str], int]:
    """Read alternatives up to the end or a closing parenthesis."""
    found: list[str] = []
    current = [""]
    while at < len(pattern) and pattern[at] != ")":
        if pattern[at] == "|":
            found += current
            current = [""]
            at += 1
            continue
        if pattern[at] == "(":
            piece, at = _alternatives(pattern, at + 1)
        else:
            piece = [pattern[at]]
        at += 1
        if pattern[at : at + 1] == "?":
            piece = [*piece, ""]
            at += 1
        current = [head + tail for head in current for tail in piece]
    return found + current, at


#: How a system call is called within the kernel: the wrappers of one call, from 2.6 to 7.x.
_SYSCALL = re.compile(
    r"(?:__(?:x64|x32|ia32|arm64|s390x?|riscv)_(?=(?:compat_)?sys_)"
    r"|__(?:se|do)_(?:compat_)?sys_|(?:compat_)?SyS_|(?:compat_)?SYSC_|ksys_)(?=\w)",
    re.ASCII,
)

#: What compilers append to the names of the parts and copies that they make of a function.
_SUFFIX = re.compile(
    r"\.(?:isra|constprop|part|cold|llvm|lto_priv|clone|localalias|unlikely|__uniq|cfi_jt|cfi)"
    r"(?:\.\d{1,20})?|\$[0-9a-f]{32}\b",  # the latter is clang's ThinLTO's
    re.ASCII,
)
#: Programs of BPF have their hash in their name, trampolines a number: of no other machine.
_BPF = re.compile(
    r"(?<=\Abpf_prog_)[0-9a-f]{16}(?=_|\Z)|(?<=\Abpf_trampoline_)\d{1,20}\Z", re.ASCII
)
#: Since 6.10 what allocates is called so, with a macro of the plain name around it.
_NOPROF = re.compile(r"_noprof\Z")
#: A function that takes a lock for its callers is called "..._lock".
_LOCK_WRAPPER = re.compile(
    r"\w+_(?:try|un)?lock(?:_(?:nested|irq|irqsave|bh|killable|interruptible|slow))?\Z", re.ASCII
)
#: Where x86 handles a program's fault: a place where tasks hang and sleep. After these, which it
#: calls where the kernel itself has faulted, it is on the way to the printer.
_FAULT = "do_user_addr_fault"
_FAULTS = (
    *("__bad_area", "bad_area", "__bad_area_nosemaphore", "bad_area_nosemaphore", "mm_fault_error"),
    *("bad_area_access_error", "kernelmode_fixup_or_oops", "page_fault_oops", "no_context"),
)
#: Who waits until other processors have taken an interrupt: a stall there is the fault of these,
#: whoever sends it.
_ASKS_OTHERS = re.compile(r"_*smp_call_function(?:_(?:many(?:_cond)?|single|any))?\Z", re.ASCII)
#: What the clock's interrupt calls in each tick, and a counter's NMI: the detectors of stalls are
#: called by these.
_DETECTORS = (
    *("update_process_times", "watchdog_timer_fn", "softlockup_tick", "sched_show_task"),
    *("watchdog_overflow_callback", "watchdog_hardlockup_check"),
)
#: What is done on purpose, to see how a kernel crashes: drivers/misc/lkdtm.
_ON_PURPOSE = re.compile(r"lkdtm_[A-Z][A-Z0-9_]*\Z", re.ASCII)
#: Of a function that waits the name says so: it has "wait" in it, or one of these words. What is
#: called lock_mount() takes more than one lock, and is a place; so is what is called ..._locked():
#: its caller has the lock.
_WAIT_WORD = re.compile(
    r"\w*wait\w*\Z|(?:\w*_)?(?:completion|rwsem|synchronize|schedule|kthread)(?:_\w*)?\Z"
    r"|(?:\w*_)?down_(?:read|write)(?:_\w*)?\Z|\w+_(?:slow)?lock(?!ed(?:_|\Z))\w*\Z",
    re.ASCII,
)


def plain(function: str) -> str:
    """Return a function's name in the source: without what compilers and machines add to it."""
    name = demangle(function)
    if "." in name or "$" in name:
        name = _SUFFIX.sub("", name) or name
    if name.startswith("bpf_"):
        return _BPF.sub("ADDR", name)
    found = _SYSCALL.match(name)
    return name[found.end() :] if found is not None else name


def is_checker(function: str) -> bool:
    """Whether a function does nothing but check what another one does."""
    return _table("checkers").match(_SUFFIX.sub("", function))


def is_entry(function: str) -> bool:
    """Whether nothing but the kernel's entry is known of a place."""
    return not function or function[0].isdigit() or _table("entries").match(function)


@lru_cache(maxsize=8192)
def is_machinery(function: str, tables: str = "", module: str | None = None) -> bool:
    """Whether a title looks through a function: see ALWAYS, and `tables`, blank-separated.

    A module's own function is never machinery, but for its assertions, what prints for it, what
    allocates what leaks, and where it says that it waits: what it is called may well be what some
    helper is called (kasan_test, lkdtm).
    """
    if not function or function[0].isdigit():
        return True
    name = _NOPROF.sub("", _SUFFIX.sub("", function) or function)
    if "waits" in tables and _WAIT_WORD.match(name):
        return True
    if module is not None and module not in _HELPER_MODULES:
        asked = (table for table in _OF_MODULES if table in ALWAYS or table in tables)
        return any(_table(table).match(name) for table in asked)
    if name.startswith(("_R", "_ZN")):
        return is_rust_runtime(name)
    return any(_table(table).match(name) for table in (*ALWAYS, *tables.split()))


def first(functions: Iterable[tuple[str, str | None]], tables: str = "") -> str | None:
    """Return the first function that is no machinery, as it is called in the source.

    `functions` are names and modules, innermost first.
    """
    locking = faulty = False
    for function, module in functions:
        if is_machinery(function, tables, module):
            name = _SUFFIX.sub("", function)
            locking = _table("locks").match(name)
            faulty = name in _FAULTS
        elif not (
            (locking and _LOCK_WRAPPER.match(_SUFFIX.sub("", function)))
            or (faulty and function == _FAULT)
        ):
            return plain(function)
    return None


def entry(functions: Sequence[tuple[str, str | None]], tables: str) -> str | None:
    """Return where the activity entered the kernel that is found in a stack, innermost first.

    A stall lasts longer than any function in it: where exactly the processor was when somebody
    looked is chance, the activity is not.
    """
    dispatchers = _table("dispatch")
    made = next((name for name, _ in functions if _ON_PURPOSE.match(name)), None)
    if made is not None:
        return made
    for (inner, module), (outer, _) in itertools.pairwise(functions):
        if _ASKS_OTHERS.match(_SUFFIX.sub("", inner)):
            return "smp_call_function"
        if (
            dispatchers.match(_SUFFIX.sub("", outer))
            and not dispatchers.match(_SUFFIX.sub("", inner))
            and not is_machinery(inner, tables, module)
        ):
            return _entry_name(plain(inner), functions)
    if functions and _ASKS_OTHERS.match(_SUFFIX.sub("", functions[-1][0])):
        return "smp_call_function"
    return None


def interrupted(functions: Sequence[tuple[str, str | None]]) -> Sequence[tuple[str, str | None]]:
    """Return what was running when the clock's interrupt found that it stalls, innermost first.

    Clocks have drivers of any name: what is inside of their interrupt is the detector's.
    """
    names = [_SUFFIX.sub("", function) for function, _ in functions]
    ticks = (number for number, name in enumerate(names) if name in _DETECTORS)
    tick = next(ticks, None)
    if tick is None:
        return functions
    into = (
        number for number in range(tick, len(names)) if _table("interrupts").match(names[number])
    )
    after = functions[next(into, -1) + 1 :]
    return after if any(not is_entry(name) for name, _ in after) else functions


def _entry_name(name: str, functions: Sequence[tuple[str, str | None]]) -> str:
    """Return how an activity is called that enters here: whoever calls, and from which ABI."""
    native = name.replace("_compat_", "_")
    if native != name and any(plain(other) == native for other, _ in functions):
        return native
    bare = any(function == name for function, _ in functions)
    return name[4:] if bare and name.startswith("sys_") else name
