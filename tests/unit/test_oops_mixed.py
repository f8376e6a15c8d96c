"""Reports of two processors mixed line by line, without callers: each is found, and has its own."""

from __future__ import annotations

import itertools
import random

import pytest

from pstorefs.oops import Facts, parse_console

BODY = """\
CPU: {cpu} PID: {pid} Comm: t{cpu} Not tainted 6.1.5 #7
Hardware name: QEMU
RIP: 0010:{f}+0x1/0x20
Code: 0f 0b
RSP: 0018:ffff{cpu} EFLAGS: 00010246
Call Trace:
 <TASK>
 {g}+0x1/0x20
 {g}_two+0x1/0x20
 do_syscall_64+0x1/0x20
RIP: 0033:0x7f{cpu}
 </TASK>
---[ end trace 0000000000000000 ]---
"""
WARNING = """\
------------[ cut here ]------------
WARNING: CPU: {cpu} PID: {pid} at net/{f}.c:12 {f}+0x1/0x20
Modules linked in:
"""
OOPS = """\
BUG: kernel NULL pointer dereference, address: 000000000000000{cpu}
#PF: supervisor read access in kernel mode
PGD 0 P4D 0
Oops: 0000 [#{cpu}] SMP
"""
BUG = """\
------------[ cut here ]------------
kernel BUG at fs/{f}.c:12!
invalid opcode: 0000 [#{cpu}] SMP
"""
KASAN = """\
==================================================================
BUG: KASAN: slab-use-after-free in {f}+0x1/0x20
Read of size 8 at addr ffff888 by task t{cpu}/{pid}

CPU: {cpu} PID: {pid} Comm: t{cpu} Not tainted 6.1.5 #7
Call Trace:
 <TASK>
 dump_stack_lvl+0x1/0x20
 print_report+0x1/0x20
 kasan_report+0x1/0x20
 {f}+0x1/0x20
 {g}+0x1/0x20
 </TASK>

Allocated by task {pid}:
 kasan_save_stack+0x1/0x20
==================================================================
"""
SLEEP = """\
BUG: sleeping function called from invalid context at mm/{f}.c:12
in_atomic(): 1, irqs_disabled(): 0, non_block: 0, pid: {pid}, name: t{cpu}
preempt_count: 1, expected: 0
CPU: {cpu} PID: {pid} Comm: t{cpu} Not tainted 6.1.5 #7
Call Trace:
 <TASK>
 dump_stack_lvl+0x1/0x20
 __might_resched+0x1/0x20
 {f}+0x1/0x20
 {g}+0x1/0x20
 </TASK>
"""
SOFT = """\
watchdog: BUG: soft lockup - CPU#{cpu} stuck for 23s! [t{cpu}:{pid}]
Modules linked in:
"""
KINDS = {
    "warning": (WARNING + BODY, "WARNING in {f}"),
    "oops": (OOPS + BODY, "BUG: unable to handle kernel NULL pointer dereference in {f}"),
    "bug": (BUG + BODY, "kernel BUG in {f}"),
    "kasan": (KASAN, "KASAN: slab-use-after-free Read in {f}"),
    "soft": (SOFT + BODY.rpartition("---[")[0], "BUG: soft lockup in {f}_caller_two"),
    "sleep": (SLEEP, "BUG: sleeping function called from invalid context in {f}"),
}
#: No crash: an allocation that failed, on purpose and because there was no memory.
ASIDE = """\
FAULT_INJECTION: forcing a failure.
name failslab, interval 1, probability 0, space 0, times 0
CPU: 2 PID: 42 Comm: t2 Not tainted 6.1.5 #7
Hardware name: QEMU
Call Trace:
 <TASK>
 dump_stack_lvl+0x1/0x20
 should_failslab+0x1/0x20
 unlucky+0x1/0x20
 do_syscall_64+0x1/0x20
RIP: 0033:0x7f2
RSP: 002b:00007f2 EFLAGS: 00000246
 </TASK>
"""
NO_MEMORY = ASIDE.replace(
    "FAULT_INJECTION: forcing a failure.", "t2: page allocation failure: order:4, mode:0xcc0"
)
UNMARKED = ASIDE.replace(" <TASK>\n", "").replace(" </TASK>\n", "")  # up to 5.12
#: What no first line and no function tells apart but the order of the lines: see docs/titles.md.
ALIKE = {("sleep", "sleep")}
#: The same within a trace: both go on with any frame, and end with none that says so.
ALIKE_IN_TRACE = {("soft", "soft"), ("soft", "sleep"), ("sleep", "soft")}
#: Before the CPU line nothing says whose it is; or no register says where it was; or the title is
#: where a frame deep in the trace says.
UNLINKED = {"bug", "sleep", "soft"}
PAIRS = [pair for pair in itertools.product(KINDS, repeat=2) if pair not in ALIKE]


def report(kind: str, cpu: int, function: str) -> tuple[list[str], str]:
    text, title = KINDS[kind]
    words = {"cpu": cpu, "pid": 40 + cpu, "f": function, "g": f"{function}_caller"}
    return text.format(**words).splitlines(), title.format(f=function)


def read(lines: list[str]) -> tuple[Facts, set[str]]:
    stamped = (f"[    1.{number:06}] {line}\n" for number, line in enumerate(lines))
    facts = parse_console("".join(stamped).encode())
    return facts, {facts.title, *(other.title for other in facts.others)}


@pytest.mark.parametrize(("one", "two"), PAIRS)
def test_a_burst_of_another_report_at_any_line_takes_nothing_from_the_first(
    one: str, two: str
) -> None:
    (first, title), (second, other) = report(one, 1, "alpha"), report(two, 2, "beta")
    end = first.index("Call Trace:") + 1 if (one, two) in ALIKE_IN_TRACE else len(first)
    for line in range(1 + first[0].startswith(("-", "=")), end):
        facts, titles = read(first[:line] + second + first[line:])
        assert titles == {title, other}, line
        assert facts.pid in (41, None)


@pytest.mark.parametrize(("one", "two"), [pair for pair in PAIRS if not {*pair} & UNLINKED])
@pytest.mark.parametrize("chance", [0.1, 0.5, 1.0])
def test_reports_mixed_line_by_line_are_both_found(one: str, two: str, chance: float) -> None:
    (first, title), (second, other) = report(one, 1, "alpha"), report(two, 2, "beta")
    wrong = 0
    for seed in range(20):
        turn = random.Random(seed)
        lines, queues = [], [list(first), list(second)]
        while queues[0] and queues[1]:
            lines.append(queues[0].pop(0))
            if turn.random() < chance:
                queues.reverse()
        wrong += not {title, other} <= read(lines + queues[0] + queues[1])[1]
    assert wrong <= 1


FORCED = """\
FAULT_INJECTION: forcing a failure.
name failslab, interval 1, probability 0, space 0, times 0
CPU: 3 PID: 99 Comm: t3 Not tainted 6.1.5 #7
Hardware name: QEMU
Call Trace:
 <TASK>
 dump_stack_lvl+0x1/0x20
 should_fail_ex+0x1/0x20
 kmem_cache_alloc+0x1/0x20
 innocent+0x1/0x20
 </TASK>
"""


@pytest.mark.parametrize("one", KINDS)
def test_what_a_test_makes_fail_is_no_report_and_takes_no_place_in_one(one: str) -> None:
    first, title = report(one, 1, "alpha")
    forced = FORCED.splitlines()
    assert read(forced)[1] == {"no report in the text"}
    for line in range(len(first) + 1):
        if first[:line].count("Call Trace:") > first[:line].count(" </TASK>"):
            continue  # one trace is printed at a time (printk_cpu_sync)
        facts, titles = read(first[:line] + forced + first[line:])
        assert titles == {title}, line
        assert "innocent" not in {frame.function for frame in facts.trace}, line


def test_a_report_after_another_without_an_end_takes_its_own_lines() -> None:
    """The same task's, and soon: nothing of the second one goes to the first."""
    first, _ = report("warning", 1, "alpha")
    second, title = report("oops", 1, "alpha")
    facts, titles = read([*first[:-1], *second])
    assert titles == {"WARNING in alpha", title}
    assert [frame.function for frame in facts.trace] == [
        "alpha_caller", "alpha_caller_two", "do_syscall_64",
    ]  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("aside", [ASIDE, NO_MEMORY, UNMARKED])
def test_a_trace_of_what_is_no_crash_takes_nothing_and_gives_nothing(kind: str, aside: str) -> None:
    lines, title = report(kind, 1, "alpha")
    if aside is UNMARKED:
        lines = [line for line in lines if "TASK>" not in line]
    alone = read(lines)[0]
    for at in range(1 + lines[0].startswith(("-", "=")), len(lines)):
        facts, titles = read(lines[:at] + aside.splitlines() + lines[at:])
        assert titles == {title}, at
        assert (facts.pid, facts.trace) == (alone.pid, alone.trace), at


@pytest.mark.parametrize("shown", range(1, len(ASIDE.splitlines())))
def test_of_such_a_trace_whose_end_is_lost_the_next_report_keeps_its_own(shown: int) -> None:
    first, _ = report("warning", 2, "beta")
    second, title = report("oops", 1, "alpha")
    _, titles = read([*first[:5], *ASIDE.splitlines()[:shown], *second])
    assert title in titles


def on_arm64(count: int, function: str) -> list[str]:
    """What arm64 prints of an oops once it has the lock of die()."""
    return [
        f"Internal error: Oops: 0000000096000005 [#{count}] PREEMPT SMP",
        f"CPU: {count} PID: {40 + count} Comm: t{count} Not tainted 6.6.31 #1",
        "pstate: 60000005 (nZCv daif -PAN -UAO -TCO -DIT -SSBS BTYPE=--)",
        f"pc : {function}+0x1/0x20",
        f"lr : {function}_caller+0x1/0x20",
        "sp : ffffffc00a8bbb40",
        "Call trace:",
        f" {function}+0x1/0x20",
        f" {function}_caller+0x1/0x20",
        "---[ end trace 0000000000000000 ]---",
    ]


@pytest.mark.parametrize("more", [0, 1, 4])
@pytest.mark.parametrize("shown", [5, 10, 20])
def test_of_faults_that_begin_together_the_one_that_died_first_is_meant(
    more: int, shown: int
) -> None:
    words = "Unable to handle kernel paging request at virtual address dead00000000010"
    heads = [f"{words}{number}" for number in range(2)] + ["Mem abort info:"] * more
    facts, _ = read(heads + [*on_arm64(1, "alpha"), *on_arm64(2, "beta")][:shown])
    assert facts.title == "BUG: unable to handle kernel paging request in alpha"
    assert facts.pid == 41
