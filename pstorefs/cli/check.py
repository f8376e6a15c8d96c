"""`pstorefs --check`: will the next crash be recorded, and saved? And a crash to prove it.

====== ============================================================================================
status meaning
====== ============================================================================================
0      yes
1      not surely: what a line calls unsure may prevent it
2      no; or it cannot be found out
====== ============================================================================================
"""

from __future__ import annotations

import errno
import json
import os
import secrets
import sys
import time
from collections.abc import Callable, Sequence

from pstorefs import __version__
from pstorefs.archive import directory, never_erased
from pstorefs.archive.errors import ArchiveError, explain
from pstorefs.archive.policy import Policy
from pstorefs.cli.questions import opened_catalog
from pstorefs.cli.said import say
from pstorefs.report import test_crash
from pstorefs.report.next_crash import NO, UNSURE, YES, Check, checks, overall
from pstorefs.settings.defaults import DEFAULT_ARCHIVE
from pstorefs.settings.options import Settings
from pstorefs.settings.questions import Question
from pstorefs.source.directory import OpenDirectory
from pstorefs.source.timeout import Attempts
from pstorefs.system.crash_setup import read_setup
from pstorefs.system.machine import Machine
from pstorefs.system.printable import printable
from pstorefs.system.utc import rfc3339

SCHEMA = 1
_STATUS = {YES: 0, UNSURE: 1, NO: 2}
_ANSWER = {
    YES: "The next crash will be recorded.",
    UNSURE: "The next crash may not be recorded.",
    NO: "The next crash will not be recorded.",
}
# A dump has up to 64 KiB of records, usually; files beside them are added by check_room.
_DUMP_BYTES = 64 << 10
# After this the machine has not crashed.
_CRASH_SECONDS = 5

Ask = Callable[[str], str]


def run_check(question: Question, machine: Machine | None = None) -> int:
    """Answer, or crash the machine; the exit status."""
    machine = machine or Machine()
    found = (*checks(read_setup(machine)), archive_check(question.settings))
    tried = last_test(question.settings)
    if question.json:
        _write(as_json(found, tried))
    else:
        _write(as_text(found) + (f"{tried}\n" if tried else ""))
    if "--crash" in question.flags:
        return crash(question.settings, machine, overall(found))
    return _STATUS[overall(found)]


def as_text(found: Sequence[Check]) -> str:
    """A line for each check, and the answer."""
    width = max(len(check.key) for check in found)
    lines = [
        f"{check.answer:6}  {check.key:{width}}  {check.what}."
        + (f" To do: {check.to_do}." if check.to_do else "")
        for check in found
    ]
    return "\n".join([*lines, _ANSWER[overall(found)], ""])


def as_json(found: Sequence[Check], tried: test_crash.Verdict | None = None) -> str:
    """The same for programs. Keys are stable."""
    known = {
        "schema": SCHEMA,
        "program": f"pstorefs {__version__}",
        "answer": overall(found),
        "checks": [
            {"key": c.key, "answer": c.answer, "what": c.what, "to_do": c.to_do or None}
            for c in found
        ],
        "test_crash": tried
        and {"time": rfc3339(tried.marker.time * 10**9), "dump": tried.dump or None},
    }
    return json.dumps(known, indent=1) + "\n"


def last_test(settings: Settings) -> test_crash.Verdict | None:
    """What became of the last test crash; None if there was none."""
    archive = settings.archive or DEFAULT_ARCHIVE
    if test_crash.read_marker(archive) is None:
        return None
    with opened_catalog(settings) as catalog:
        return test_crash.Seeker(catalog, archive).verdict()


def archive_check(settings: Settings) -> Check:
    """Whether what is recorded can be saved."""
    path = settings.archive or DEFAULT_ARCHIVE
    policy = Policy(volatile=settings.archive_volatile)
    try:
        what = Attempts().attempt("archive", lambda: _look_at_archive(path, policy))
    except TimeoutError:
        return Check("archive", UNSURE, f"{printable(path)} does not answer", "mount it again")
    except OSError as error:
        what, _, to_do = str(explain(path, error).strerror).rpartition(": ")
        return Check("archive", UNSURE, printable(what), printable(to_do))
    return Check("archive", YES, printable(what))


def _look_at_archive(path: str, policy: Policy) -> str:
    """What there is to say for it. Raises OSError for what is wrong."""
    nothing = OpenDirectory("", pinned=True, optional=True)
    with directory.opened(path, nothing, volatile=policy.volatile, create=False) as descriptor:
        if descriptor is not None:
            _check_place(path, descriptor, policy)
            return f"{path} has room"
    above = os.path.dirname(path.rstrip("/")) or "/"
    place = os.open(above, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        if not policy.volatile:
            directory.check_lasting(path, place)
        _check_place(path, place, policy)
    finally:
        os.close(place)
    return f"{path} will be made when it is needed"


def _check_place(path: str, descriptor: int, policy: Policy) -> None:
    """Whether a dump can be put there, as far as can be said without trying. Raises OSError."""
    if os.fstatvfs(descriptor).f_flag & os.ST_RDONLY:
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))
    if not os.access(f"/proc/self/fd/{descriptor}", os.W_OK):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
    directory.check_room(path, descriptor, [_DUMP_BYTES], 1, policy)


# The test crash


def crash(settings: Settings, machine: Machine, answer: str, ask: Ask | None = None) -> int:
    """Ask twice, leave a marker, crash the machine. Returns only if that is not done."""
    if answer == NO:
        return _refuse("a crash would prove nothing now: see above for what to do first")
    if os.geteuid() != 0:
        return _refuse("only root may crash the machine")
    if ask is None:
        if not (sys.stdin and sys.stdin.isatty()):
            return _refuse("--crash asks before it crashes the machine: run it on a terminal")
        ask = input
    name = machine.hostname or "this machine"
    try:
        first = ask(
            f"\nThis crashes {printable(name)} now. What is not saved is lost, and it stays down if"
            f" it does not reboot\nafter a panic. Type its name ({printable(name)}) to go on: "
        )
        if first.strip() != name:
            return _refuse("not crashed: that is not its name")
        if ask("Type crash to crash it: ").strip() != "crash":
            return _refuse("not crashed")
    except EOFError:
        return _refuse("not crashed")
    return _crash(settings, machine)


def _crash(settings: Settings, machine: Machine) -> int:
    path = settings.archive or DEFAULT_ARCHIVE
    boot = never_erased.boot_id()
    marker = test_crash.Marker(secrets.token_hex(16), int(time.time()), boot)
    store = OpenDirectory("", pinned=True, optional=True)
    try:
        volatile = settings.archive_volatile
        with directory.opened(path, store, volatile=volatile, create=True) as descriptor:
            if descriptor is None:
                return _refuse(f"{path}: cannot be made")
            test_crash.write_marker(descriptor, marker)
            directory.sync_above(descriptor)
        say("after the reboot: pstorefs --check, or status in a mount")
        os.sync()
        _put(machine, "dev/kmsg", marker.line + "\n")
        _put(machine, "proc/sysrq-trigger", "c")
    except ArchiveError as error:
        return _refuse(str(error.strerror))
    except OSError as error:
        return _refuse(f"{error.filename or path}: {error.strerror}")
    time.sleep(_CRASH_SECONDS)
    return _refuse("the machine did not crash: does its kernel have CONFIG_MAGIC_SYSRQ?")


def _put(machine: Machine, path: str, text: str) -> None:
    descriptor = os.open(os.path.join(machine.root, path), os.O_WRONLY | os.O_CLOEXEC)
    try:
        os.write(descriptor, text.encode())
    finally:
        os.close(descriptor)


def _refuse(message: str) -> int:
    say(message)
    return 2


def _write(text: str) -> None:
    sys.stdout.write(text)
    sys.stdout.flush()
