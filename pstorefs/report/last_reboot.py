"""Why this machine was booted the last time: a judgement on evidence, never a guess. Pure.

The answers, and what each of them needs; the first that holds is given.

===================== ===========================================================================
answer                evidence
===================== ===========================================================================
panic recorded        a record of a panic, or kdump's dump, from the end of the boot before
orderly reboot        wtmp or the journal end with a shutdown
panic, not recorded   the firmware's log, or the last lines of the kernel in the journal, say so
watchdog              a watchdog's bootstatus, the CPU's reset reason, the firmware's log
hardware error        a fatal record in BERT, an uncorrected machine check, the CPU's reset reason
power or reset        the boot before has no end, or CPU or firmware report the cause
not known             nothing says how the previous boot ended
===================== ===========================================================================
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from pstorefs.oops import parse_dump
from pstorefs.report.next_crash import YES, Check
from pstorefs.system.last_boot import (
    HARDWARE,
    PANIC,
    POWER,
    VMCORE,
    WATCHDOG,
    Evidence,
    LastBoot,
)
from pstorefs.system.printable import printable
from pstorefs.system.utc import rfc3339

RECORDED = "panic recorded"
ORDERLY = "orderly reboot"
NOT_RECORDED = "panic, but not recorded"
WATCHDOG_RESET = "watchdog"
HARDWARE_ERROR = "hardware error"
POWER_LOST = "power lost or hard reset"
NOT_KNOWN = "not known"
#: The machine was cut off, and nothing that it kept says by which crash.
UNCLEAN = (NOT_RECORDED, WATCHDOG_RESET, HARDWARE_ERROR, POWER_LOST)

# A machine that crashed is up again within this time, usually; firmware tests and kdump take long.
_REBOOT_SECONDS = 3600
# Clocks are set while a machine boots.
_CLOCK_SECONDS = 120
# wtmp and records have whole seconds: what crashes after the shutdown was noted did so within it.
_WHOLE_SECONDS = 2
# A report so close to the kernel's last line ended that boot.
_LAST_SECONDS = 60
_NO_CRASH = ("warning", "none", "")
_TIME = re.compile(rb"\[ *(\d{1,9})\.\d{6}\]")


class Crash(NamedTuple):
    """The newest record of a panic: its time (Unix time; None: not known), dump and title."""

    time: float | None
    name: str
    title: str


@dataclass(frozen=True, slots=True)
class Cause:
    """The answer, with details in a clause, and all evidence with its sources."""

    answer: str
    details: str = ""
    booted: float | None = None
    evidence: tuple[Evidence, ...] = ()

    def __str__(self) -> str:
        when = "" if self.booted is None else f", {rfc3339(int(self.booted * 1e9))}"
        details = f": {self.details}" if self.details else ""
        return f"Last reboot{when}: {self.answer}{details}."

    def lines(self) -> list[str]:
        """For people: the answer, and below it all evidence."""
        found = [str(self)]
        for each in self.evidence:
            when = f", {rfc3339(int(each.time * 1e9))}" if each.time is not None else ""
            found.append(f"  {each.source}{when}: {each.says}")
        return found

    def as_dict(self) -> dict[str, Any]:
        """The same for programs."""
        return {
            "answer": self.answer,
            "details": self.details or None,
            "booted": None if self.booted is None else rfc3339(int(self.booted * 1e9)),
            "evidence": [
                {
                    "kind": each.kind,
                    "source": each.source,
                    "says": each.says,
                    "time": None if each.time is None else rfc3339(int(each.time * 1e9)),
                }
                for each in self.evidence
            ],
        }


def judge(
    boot: LastBoot,
    newest: Crash | None,
    setup: Sequence[Check] = (),
    undated: Crash | None = None,
) -> Cause:
    """Why this boot began.

    `newest`: the newest panic on record; `setup`: the checks of now; `undated`: a log that ends in
    a crash, and does not say when.
    """
    evidence = (*_end(boot), *journal_evidence(boot.kernel_text), *boot.evidence)
    answer, details = _answer(boot, newest, evidence, setup)
    if undated is not None and answer not in (RECORDED, ORDERLY):
        details += f"; a log without a time ends in {undated.title}, dumps/{undated.name}"
    shown = tuple(each for each in evidence if each.kind != VMCORE or _recent(boot, each.time))
    return Cause(answer, details, boot.booted, shown)


def _answer(
    boot: LastBoot, newest: Crash | None, evidence: Sequence[Evidence], setup: Sequence[Check]
) -> tuple[str, str]:
    if newest is not None and _recent(boot, newest.time):
        return RECORDED, f"{newest.title}, dumps/{newest.name}"
    saved = [each for each in evidence if each.kind == VMCORE and _recent(boot, each.time)]
    if saved:
        return RECORDED, f"by kdump, {saved[-1].says}"
    if boot.orderly:
        return ORDERLY, "" if boot.ended is None else f"shut down at {_utc(boot.ended)}"
    for kind, answer in (
        (PANIC, NOT_RECORDED),
        (WATCHDOG, WATCHDOG_RESET),
        (HARDWARE, HARDWARE_ERROR),
        (POWER, POWER_LOST),
    ):
        found = [each for each in evidence if each.kind == kind]
        if found:
            details = f"{found[0].says} ({found[0].source})"
            return answer, f"{details}; {_why(setup)}" if kind == PANIC else details
    if boot.orderly is False:
        ended = "" if boot.ended is None else f"no sign of life after {_utc(boot.ended)}"
        return POWER_LOST, f"{ended}, and nothing says why" if ended else "nothing says why"
    return NOT_KNOWN, "neither wtmp nor the journal says how the previous boot ended"


def _end(boot: LastBoot) -> list[Evidence]:
    if boot.orderly is None:
        return []
    words = "a shutdown" if boot.orderly else "no shutdown: the previous boot ended abruptly"
    return [Evidence("end", boot.source, words, boot.ended)]


def journal_evidence(text: bytes) -> list[Evidence]:
    """A crash in the kernel's last lines of the boot before, as the journal has them."""
    if not text:
        return []
    facts = parse_dump(text, "Panic")
    if not facts.found:
        facts = parse_dump(text, "Oops")
    if facts.span is None or not facts.found or facts.error_class in _NO_CRASH:
        return []
    times = _TIME.findall(text)
    begin = _TIME.search(text, facts.span.start)
    if begin is None or int(times[-1]) - int(begin[1]) > _LAST_SECONDS:
        return []
    return [Evidence(PANIC, "journal", printable(facts.title))]


def _recent(boot: LastBoot, at: float | None) -> bool:
    """Whether something happened between the last sign of the boot before and this boot."""
    if at is None or boot.booted is None or at > boot.booted + _CLOCK_SECONDS:
        return False
    if boot.ended is None:
        return at >= boot.booted - _REBOOT_SECONDS
    if boot.began is not None and at < boot.began - _WHOLE_SECONDS:
        return False  # it ended the one before that
    slack = _WHOLE_SECONDS if boot.orderly else _CLOCK_SECONDS
    return at >= boot.ended - slack


def _why(setup: Sequence[Check]) -> str:
    reasons = [check.what for check in setup if check.answer != YES]
    if not reasons:
        return "it is not known why there is no record"
    return "what would prevent a record now: " + "; ".join(reasons)


def _utc(seconds: float) -> str:
    return rfc3339(int(seconds * 1e9)) or "an invalid time"
