"""What the text of a dump or console says. Snippets by hand, in the kernel's form."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pstorefs.oops import Frame, Location, parse_console, parse_dump, stamped
from tests.effort import effort

if TYPE_CHECKING:
    from collections.abc import Callable

CPU = "CPU: 1 PID: 42 Comm: a task Tainted: G      D W         6.1.5-x #7\n"
TRACE = (
    "Call Trace:\n <TASK>\n ? ghost+0x1/0x2\n caller+0x10/0x20 [mod]\n outer+0x3/0x4\n </TASK>\n"
)
RIP = "RIP: 0010:culprit.isra.0+0x5/0x20 [mod]\n"
END = "---[ end trace 0000000000000000 ]---\n"
PANIC = "Kernel panic - not syncing: "


def oops(die: int = 1, function: str = "culprit", head: str = "") -> str:
    head = head or "BUG: kernel NULL pointer dereference, address: 0000000000000008\n"
    return (
        f"{head}#PF: supervisor read access in kernel mode\nOops: 0000 [#{die}] SMP NOPTI\n"
        + CPU
        + f"RIP: 0010:{function}+0x5/0x20\nCode: 00 <0f>\n"
        + TRACE
        + "Modules linked in: mod(OE) other_mod-2 [last unloaded: gone]\n"
        + END
        + "RIP: 0010:somebody_else+0x1/0x2\nRSP: 0018:0 EFLAGS: 0\n"
    )


def warning(where: str = "noisy", line: str = "kernel/a.c:12", message: str = "") -> str:
    return (
        f"------------[ cut here ]------------\n{message}"
        f"WARNING: CPU: 1 PID: 42 at {line} {where}+0x13/0x20\nModules linked in:\n"
        + CPU
        + f"RIP: 0010:{where}+0x13/0x20\n"
        + TRACE
    )


def lock(what: str, verb: str, head: str = "WARNING: ") -> str:
    return (
        f"======================================================\n{head}{what}\n"
        "6.1.5 #7 Not tainted\n------------------------------------------------------\n"
        f"a/42 {verb}:\nffff888 (&x->lock){{+.+.}}-{{2:2}}, at: grabber+0x1f/0xe0\n\n"
        "the existing dependency chain (in reverse order) is:\n       elsewhere+0x1/0x2\n"
        "stack backtrace:\n" + CPU + "Call Trace:\n dump_stack_lvl+0x1/0x2\n grabber+0x1f/0xe0\n"
    )


def kasan(what: str, function: str = "user", access: str = "Read of size 8 at addr 0") -> str:
    return (
        "==================================================================\n"
        f"BUG: KASAN: {what} in {function}+0x1/0x2\n{access} by task a/42\n\n"
        + CPU
        + "Call Trace:\n dump_stack_lvl+0x1/0x2\n kasan_report+0x1/0x2\n memcpy+0x1/0x2\n"
        " user+0x1/0x2\n\nFreed by task 1:\n other+0x1/0x2\n"
        "==================================================================\n"
    )


def hung(*frames: str, comm: str = "cp", pid: int = 7) -> str:
    return (
        f"INFO: task {comm}:{pid} blocked for more than 120 seconds.\n      Not tainted 6.1.5 #7\n"
        f"task:{comm}  state:D stack:0 pid:{pid}\nCall Trace:\n"
        + "".join(f" {one}+0x1/0x20\n" for one in ("__schedule", "schedule", *frames))
    )


def stall(head: str) -> str:
    tick = ("tick_sched_timer", "__hrtimer_run_queues", "hrtimer_interrupt")
    return (
        head
        + "NMI backtrace for cpu 1\n"
        + CPU
        + "Call Trace:\n <IRQ>\n"
        + "".join(
            f" {one}+0x1/0x2\n" for one in ("nmi_cpu_backtrace", "rcu_dump_cpu_stacks", *tick)
        )
        + " </IRQ>\nRIP: 0010:_raw_spin_lock+0x1/0x2\n inner+0x1/0x2\n real_work+0x1/0x2\n"
        " process_one_work+0x1/0x2\n worker_thread+0x1/0x2\n kthread+0x1/0x2\n"
    )


SOFT = "watchdog: BUG: soft lockup - CPU#3 stuck for 22s! [worker/3:1:99]\nModules linked in:\n"
RCU = "rcu: INFO: rcu_preempt self-detected stall on CPU\nrcu: \t1-....: (1 ticks this GP)\n"
LEAK = (
    'BUG: memory leak\nunreferenced object 0xffff (size 64):\n  comm "a", pid 7117\n'
    "  backtrace:\n    [<00000000f1461735>] kmem_cache_alloc+0x13f/0x2c0\n"
    "    [<00000000ff3ccf22>] leaker+0x189/0x5b0\n"
)
KERNEL_BUG = "kernel BUG at mm/a.c:9!\ninvalid opcode: 0000 [#1] SMP\n" + CPU + RIP + TRACE + END
LIST = (
    "list_add double add: new=0, prev=0, next=0.\n------------[ cut here ]------------\n"
    "kernel BUG at lib/list_debug.c:29!\ninvalid opcode: 0000 [#1] SMP\n"
    + CPU
    + "RIP: 0010:__list_add_valid.cold+0x26/0x3c\n"
    + TRACE
)
ARM64 = (
    "Modules linked in: mod\n"
    "CPU: 1 PID: 42 Comm: init Not tainted 6.1.5 #7\nHardware name: linux,dummy-virt (DT)\n"
    "pstate: 60400005 (nZCv daif)\npc : culprit+0x28/0x2c [mod]\nlr : caller+0x8/0x2c [mod]\n"
    "sp : ffff800012723650\nx29: ffff800012723650 x28: 0\nCall trace:\n"
    " culprit+0x28/0x2c [mod] (P)\n"
    " el0_svc+0x58/0x150\nCode: f00063e2 (d4210000) \n" + END
)

TITLES = [
    (oops(), "BUG: unable to handle kernel NULL pointer dereference in culprit", "oops"),
    (
        oops(head="BUG: unable to handle kernel NULL pointer dereference at (null)\n"),
        "BUG: unable to handle kernel NULL pointer dereference in culprit",
        "oops",
    ),
    (
        oops(head="BUG: unable to handle page fault for address: ffffffffffffffeb\n"),
        "BUG: unable to handle kernel paging request in culprit",
        "oops",
    ),
    (
        oops(head="BUG: unable to handle kernel paging request at ffffffffffffffeb\n"),
        "BUG: unable to handle kernel paging request in culprit",
        "oops",
    ),
    (
        oops(function="0x0").replace("0x0+0x5/0x20", "0x0"),
        "BUG: unable to handle kernel NULL pointer dereference in caller",
        "oops",
    ),
    (
        oops(function="memcpy_erms"),
        "BUG: unable to handle kernel NULL pointer dereference in caller",
        "oops",
    ),
    (
        "general protection fault, probably for non-canonical address 0xdff: 0000 [#1] SMP\n"
        "KASAN: null-ptr-deref in range [0x0-0x7]\n" + CPU + RIP + TRACE,
        "general protection fault in culprit",
        "oops",
    ),
    (
        "Oops: general protection fault, maybe for address 0x1: 0000 [#1] SMP\n" + CPU + RIP,
        "general protection fault in culprit",
        "oops",
    ),
    ("divide error: 0000 [#1] SMP\n" + CPU + RIP, "divide error in culprit", "oops"),
    ("Oops: divide error: 0000 [#1] SMP\n" + CPU + RIP, "divide error in culprit", "oops"),
    ("invalid opcode: 0000 [#1] SMP\n" + CPU + RIP, "invalid opcode in culprit", "oops"),
    ("Oops: 0002 [#1] SMP\n" + CPU + RIP, "Oops in culprit", "oops"),
    ("Oops [#1]\n" + CPU + "epc : culprit+0x1/0x2\n", "Oops in culprit", "oops"),
    (KERNEL_BUG, "kernel BUG in culprit", "bug"),
    (LIST, "BUG: corrupted list in caller", "corrupted-list"),
    (
        "kernel BUG at mm/a.c:9!\nInternal error: Oops - BUG: 00000000f2000800 [#1] SMP\n" + ARM64,
        "kernel BUG in culprit",
        "bug",
    ),
    (
        "Unable to handle kernel NULL pointer dereference at virtual address 0000000000000000\n"
        "Mem abort info:\n  ESR = 0x96000004\nInternal error: Oops: 96000004 [#1] SMP\n" + ARM64,
        "BUG: unable to handle kernel NULL pointer dereference in culprit",
        "oops",
    ),
    (
        "Unable to handle kernel execute from non-executable memory at virtual address 0\n"
        "Internal error: Oops: 8600000f [#1] SMP\n" + ARM64,
        "BUG: unable to handle kernel execute from non-executable memory in culprit",
        "oops",
    ),
    (
        "Internal error: synchronous external abort: 97140050 [#1] SMP\n" + ARM64,
        "Internal error in culprit",
        "oops",
    ),
    (kasan("slab-use-after-free"), "KASAN: slab-use-after-free Read in user", "kasan"),
    (
        kasan("slab-out-of-bounds", "memcpy", "Write of size 4 at addr 0"),
        "KASAN: slab-out-of-bounds Write in user",
        "kasan",
    ),
    (kasan("double-free", "kfree", "Free of addr 0"), "KASAN: invalid-free in user", "kasan"),
    (
        "BUG: KMSAN: uninit-value in reader+0x1/0x2\n reader+0x1/0x2\n\nUninit was created at:\n",
        "KMSAN: uninit-value in reader",
        "kmsan",
    ),
    (
        "BUG: KCSAN: data-race in a_func.isra.0+0x1/0x2 / b_func+0x1/0x2\n\nwrite to 0x0 of 8\n",
        "KCSAN: data-race in a_func / b_func",
        "kcsan",
    ),
    (
        "UBSAN: array-index-out-of-bounds in fs/a.c:12:3\nindex 9 is out of range\n"
        + CPU
        + "Call Trace:\n dump_stack_lvl+0x1/0x2\n ubsan_epilogue+0x1/0x2\n"
        " __ubsan_handle_out_of_bounds+0x1/0x2\n indexer+0x1/0x2\n",
        "UBSAN: array-index-out-of-bounds in indexer",
        "ubsan",
    ),
    (warning(), "WARNING in noisy", "warning"),
    ("WARNING: at net/a.c:255 noisy+0x272/0x280()\n", "WARNING in noisy", "warning"),
    (
        "WARNING: net/a.c:12 at noisy+0x1/0x2, CPU#0: cp/7\n",
        "WARNING in noisy",
        "warning",
    ),
    (
        warning("refcount_warn_saturate", "lib/refcount.c:28", "refcount_t: underflow.\n"),
        "WARNING: refcount bug in caller",
        "refcount",
    ),
    (
        warning("debug_print_object", "lib/debugobjects.c:505", "ODEBUG: free active\n"),
        "WARNING: ODEBUG bug in caller",
        "debugobjects",
    ),
    (
        lock("possible circular locking dependency detected", "is trying to acquire lock"),
        "possible deadlock in grabber",
        "lockdep",
    ),
    (
        lock("possible recursive locking detected ]", "is trying to acquire lock", "[ INFO: "),
        "possible deadlock in grabber",
        "lockdep",
    ),
    (lock("inconsistent lock state", "takes"), "inconsistent lock state in grabber", "lockdep"),
    (
        lock("suspicious RCU usage", "takes"),
        "WARNING: suspicious RCU usage in grabber",
        "lockdep",
    ),
    (
        lock("Invalid wait context ]", "is trying to lock", "[ BUG: "),
        "WARNING: locking bug in grabber",
        "lockdep",
    ),
    ("BUG: MAX_LOCKDEP_ENTRIES too low!\n", "BUG: MAX_LOCKDEP_ENTRIES too low!", "lockdep"),
    (hung("io_schedule", "bit_wait_io", "sleeper"), "INFO: task hung in sleeper", "hung-task"),
    (hung("mutex_lock_nested", "sleeper"), "INFO: task hung in sleeper", "hung-task"),
    (stall(SOFT), "BUG: soft lockup in real_work", "soft-lockup"),
    (stall(RCU), "INFO: rcu detected stall in real_work", "rcu-stall"),
    (
        "INFO: rcu_sched detected stalls on CPUs/tasks: { 1} (detected by 0, t=6502 jiffies)\n",
        "INFO: rcu detected stall",
        "rcu-stall",
    ),
    (
        "watchdog: Watchdog detected hard LOCKUP on cpu 0\n" + CPU + RIP,
        "Watchdog detected hard LOCKUP in culprit",
        "hard-lockup",
    ),
    (
        "BUG: sleeping function called from invalid context at kernel/a.c:281\n"
        "in_atomic(): 1, irqs_disabled(): 0, pid: 42, name: a\n"
        + CPU
        + "Call Trace:\n dump_stack+0x1/0x2\n ___might_sleep+0x1/0x2\n __mutex_lock+0x1/0x2\n"
        " sleeper+0x1/0x2\n",
        "BUG: sleeping function called from invalid context in sleeper",
        "atomic-sleep",
    ),
    (
        "BUG: scheduling while atomic: swapper/0/1/0x00000002\n" + CPU + "Call Trace:\n"
        " __schedule_bug+0x1/0x2\n __schedule+0x1/0x2\n schedule+0x1/0x2\n sleeper+0x1/0x2\n",
        "BUG: scheduling while atomic in sleeper",
        "atomic-sleep",
    ),
    (
        "BUG: using smp_processor_id() in preemptible [00000000] code: a\ncaller is sleeper+0x1\n",
        "BUG: using smp_processor_id() in preemptible code in sleeper",
        "atomic-sleep",
    ),
    (
        "BUG: spinlock bad magic on CPU#0, a/1\n" + CPU + "Call Trace:\n dump_stack+0x1/0x2\n"
        " spin_bug+0x1/0x2\n do_raw_spin_lock+0x1/0x2\n _raw_spin_lock+0x1/0x2\n taker+0x1/0x2\n",
        "BUG: spinlock bad magic in taker",
        "spinlock",
    ),
    (
        "INFO: trying to register non-static key.\n" + CPU + "Call Trace:\n"
        " register_lock_class+0x1/0x2\n _raw_spin_lock_irqsave+0x1/0x2\n taker+0x1/0x2\n",
        "INFO: trying to register non-static key in taker",
        "lockdep",
    ),
    (LEAK, "memory leak in leaker", "memory-leak"),
    (
        "unregister_netdevice: waiting for eth0 to become free. Usage count = 2\n",
        "unregister_netdevice: waiting for DEV to become free",
        "unregister-netdevice",
    ),
    (
        "BUG: Bad page state in process cp  pfn:6896e\npage:ffff refcount:0\n"
        + CPU
        + "Call Trace:\n bad_page+0x1/0x2\n free_pcp_prepare+0x1/0x2\n freer+0x1/0x2\n",
        "BUG: Bad page state in freer",
        "bad-page",
    ),
    (
        PANIC + "corrupted stack end detected inside scheduler\n" + CPU + "Call Trace:\n"
        " panic+0x1/0x2\n __schedule+0x1/0x2\n schedule+0x1/0x2\n deep+0x1/0x2\n",
        "kernel panic: corrupted stack end in deep",
        "panic",
    ),
    (
        PANIC + "stack-protector: Kernel stack is corrupted in: deep+0x415/0x420\n",
        "kernel panic: stack is corrupted in deep",
        "panic",
    ),
    (
        PANIC + "VFS: Unable to mount root fs on unknown-block(0,0)\n",
        "kernel panic: VFS: Unable to mount root fs on unknown-block(0,0)",
        "panic",
    ),
    (
        PANIC + "Attempted to kill init! exitcode=0x0000000b\n",
        "kernel panic: Attempted to kill init!",
        "panic",
    ),
    ("BUG: this is new in 9.0\n" + CPU + TRACE, "BUG: this is new in 9.0", "bug"),
]
PREFIXES: dict[str, Callable[[int, str], str]] = {
    "none": lambda _, line: line,
    "printk": lambda n, line: f"<4>[{n // 100:5}.{n % 100:06}] {line}",
    "caller": lambda n, line: f"[{n // 100:5}.{n % 100:06}][ T4711] {line}\r",
    "caller of dmesg": lambda n, line: f"[{n // 100:5}.{n % 100:06}] [ T4711] {line}",
    "phone on any CPU": lambda n, line: f"[{n // 100:5}.{n % 100:06}] c{n % 3}   4711 {line}",
    "caller without time": lambda _, line: f"<4>[ T4711] {line}",
    "journal -o short-monotonic": lambda n, line: f"[{n:5}.000001] host kernel: {line}",
    "journal -o short-delta": lambda n, line: f"[{n:5}.000001 <    0.000001 >] host kernel: {line}",
    "journal -o short-full": lambda _, line: f"Mon 2026-07-27 11:35:35 CEST host kernel: {line}",
    "journal -o short-unix": lambda _, line: f"1785144935.123456 host kernel: {line}",
    "journal": lambda _, line: f"Jul 27 11:35:35 host kernel: {line}",
    "rsyslog": lambda n, line: (
        f"2026-07-27T11:35:35.123456+02:00 host kernel: [{n:5}.000001] {line}"
    ),
    "prompt": lambda n, line: f"host login: [{n:5}.000001] {line}",
    "dmesg's caller": lambda n, line: f"[{n:5}.000001] [    T47] {line}",
    "human with a caller": lambda _, line: f"[Mon Nov 23 07:22:25 2026] [   T47] {line}",
    "human": lambda _, line: f"[Mon Nov 23 07:22:25 2026] {line}",
    "decoded": lambda _, line: f"kern  :alert : [Mon Nov 23 07:22:25 2026] {line}",
    "reltime": lambda n, line: f"[  +0.{n:06}] {line}",
    "first reltime": lambda _, line: f"[Nov23 07:22] {line}",
    "delta": lambda n, line: f"[{n:5}.000001 <    0.000001>] {line}",
    "colour": lambda n, line: f"\x1b[32m[{n:5}.000001] \x1b[0m\x1b[31m{line}\x1b[0m",
    "rfc 5424": lambda _, line: f"<4>1 2026-07-27T11:35:35.123Z host kernel - - - {line}",
    "busybox": lambda _, line: f"Jul 27 11:35:35 (none) kern.warn kernel: {line}",
    "messages": lambda _, line: f"Jul 27 11:35:35 kernel: {line}",
    "klogd": lambda _, line: f"Jul 27 11:35:35.123 host kernel[0]: {line}",
    "journal -o cat": lambda _, line: f"kernel: {line}",
    "logcat": lambda _, line: f"11-28 14:10:33.123     0     0 W         : {line}",
    "pasted": lambda n, line: f"    [{n:5}.000001] {line}",
    "pasted without time": lambda _, line: f"\t{line}",
}


#: Of the same log: a line or two with blanks before them are a quotation.
BEFORE = "usb 1-1: new high-speed USB device number 2 using xhci_hcd\n" * 4


def prefixed(text: str, prefix: str) -> bytes:
    lines = text.splitlines()
    return "".join(PREFIXES[prefix](n, one) + "\n" for n, one in enumerate(lines, 500)).encode()


@pytest.mark.parametrize(("text", "title", "error_class"), TITLES, ids=[row[1] for row in TITLES])
def test_report_is_called_what_developers_call_it(text: str, title: str, error_class: str) -> None:
    facts = parse_console(text.encode())
    assert (facts.title, facts.error_class) == (title, error_class)


@pytest.mark.parametrize("prefix", PREFIXES)
def test_title_does_not_depend_on_what_stands_before_each_line(prefix: str) -> None:
    wrong = [
        (title, found)
        for text, title, _ in TITLES
        if (found := parse_console(prefixed(BEFORE + text, prefix)).title) != title
    ]
    assert not wrong


CAUSES = [
    (oops() + PANIC + "Fatal exception\n", "oops"),
    (oops(1, "older") + oops(2) + PANIC + "Fatal exception in interrupt\n", "oops"),
    (oops() + PANIC + "Oops - BUG: Fatal exception\n", "oops"),
    (oops() + warning() + PANIC + "panic_on_warn set ...\n", "warning"),
    (oops() + warning() + PANIC + "kernel: panic_on_warn set ...\n", "warning"),
    (warning() + kasan("use-after-free") + PANIC + "KASAN: panic_on_warn set ...\n", "kasan"),
    (oops() + hung("sleeper") + PANIC + "hung_task: blocked tasks\n", "hung-task"),
    (oops() + stall(SOFT) + PANIC + "softlockup: hung tasks\n", "soft-lockup"),
    (oops() + stall(RCU) + PANIC + "RCU Stall\n", "rcu-stall"),
    (oops() + PANIC + "sysrq triggered crash\n", "panic"),
    (oops() + warning() + PANIC + "panic_on_taint set ...\n", "warning"),
    (warning() + oops() + PANIC + "panic_on_taint set ...\n", "oops"),
    (warning() + "usb 1-1: new\n" * 50 + PANIC + "panic_on_taint set ...\n", "panic"),
    (oops() + warning() + PANIC + "kernel: system warned too often (x is 1)\n", "warning"),
    (warning() + oops() + PANIC + "Oopsed too often (kernel.oops_limit is 1)\n", "oops"),
    (
        warning()
        + "BUG: workqueue lockup - pool cpus=2 stuck for 34s!\n"
        + PANIC
        + "workqueue: stall lasted 34s, exceeding threshold 30s\n",
        "workqueue",
    ),
    (oops() + warning() + PANIC + "Attempted to kill init! exitcode=0x0b\n", "panic"),
    (oops() + PANIC + "something that nobody foresaw\n", "panic"),
    (warning() + PANIC + "Fatal exception\n", "panic"),
]


@pytest.mark.parametrize(("text", "error_class"), CAUSES, ids=[row[0][-40:-1] for row in CAUSES])
def test_panic_is_called_after_what_its_line_names(text: str, error_class: str) -> None:
    facts = parse_dump(text.encode(), "Panic", 9)
    assert facts.error_class == error_class
    assert "older" not in facts.title
    assert facts.panic is not None
    assert all(one.before for one in facts.others)


def test_panic_on_hung_tasks_is_called_after_the_first_of_the_last_round() -> None:
    text = (
        prefixed(hung("long_ago"), "printk").replace(b"5.0", b"1.0")
        + prefixed(hung("first") + hung("second"), "printk").replace(b"5.0", b"300.0")
        + prefixed(PANIC + "hung_task: blocked tasks", "printk").replace(b"5.0", b"301.0")
    )
    facts = parse_dump(text, "Panic", 1)
    assert facts.title == "INFO: task hung in first"
    assert [one.title[-8:] for one in facts.others] == ["long_ago", "n second"]


def test_panic_before_the_trace_of_its_warning_lends_it_its_own() -> None:
    head = "WARNING: CPU: 0 PID: 1 at lib/refcount.c:28 refcount_warn_saturate+0x1/0x2\n"
    text = (
        f"{head}{PANIC}panic_on_warn set ...\n{CPU}Call Trace:\n panic+0x1/0x2\n guilty+0x1/0x2\n"
    )
    facts = parse_dump(text.encode(), "Panic", 1)
    assert facts.title == "WARNING: refcount bug in guilty"
    assert facts.span is not None
    assert facts.span.last_line == text.count("\n") - 1


@pytest.mark.parametrize("between", ["ubsan", "warning"])
def test_panic_is_that_of_the_report_of_its_own_caller(between: str) -> None:
    """Another task reports something of the same class between a warning and its panic."""
    other = {
        "ubsan": "UBSAN: shift-out-of-bounds in fs/b.c:1:2\nCall Trace:\n other+0x1/0x2\n",
        "warning": "WARNING: CPU: 2 PID: 5 at net/b.c:7 other+0x1/0x2\n",
    }[between]
    parts = (
        ("T7", "WARNING: CPU: 1 PID: 7 at lib/a.c:7 kfree+0x1/0x2\n"),
        ("T5", other),
        ("T7", f"{PANIC}panic_on_warn set ...\nCall Trace:\n panic+0x1/0x2\n guilty+0x1/0x2\n"),
    )
    lines = [f"[    1.000000][  {who}] {line}" for who, text in parts for line in text.splitlines()]
    facts = parse_dump("\n".join(lines).encode(), "Panic")
    assert (facts.title, facts.panic) == ("WARNING in guilty", "panic_on_warn set ...")


def test_panic_whose_line_is_missing_takes_no_older_title() -> None:
    facts = parse_dump(oops().encode(), "Panic", 2)
    assert (facts.title, facts.found) == ("kernel panic (its line is not in the text)", False)
    assert facts.signature == ""
    assert len(facts.others) == 1


def test_oops_is_the_last_one_not_the_first() -> None:
    text = oops(1, "older") + "noise\n" * 60 + oops(2)
    facts = parse_dump(text.encode(), "Oops", 2)
    assert facts.function == "culprit"
    assert [(one.title[-5:], one.before) for one in facts.others] == [("older", True)]


def test_oopses_from_before_the_backend_do_not_shift_the_count() -> None:
    facts = parse_dump((oops(1, "older") + oops(2)).encode(), "Oops", 1)
    assert facts.function == "culprit"


def test_oops_whose_text_is_missing_takes_no_older_title() -> None:
    for after in ("", "noise\n" * 60):
        facts = parse_dump((oops(1, "older") + after).encode(), "Oops", 2)
        assert (facts.title, facts.found) == ("Oops (its report is not in the text)", False)
        assert facts.span is None


def test_oops_without_its_first_lines_is_named_but_not_signed() -> None:
    text = oops(1, "older") + "[pstorefs: part 3 is missing]\n" + RIP + TRACE + END
    facts = parse_dump(text.encode(), "Oops", 2)
    assert (facts.title, facts.found, facts.signature) == ("Oops in culprit", False, "")


def test_registers_after_an_end_trace_belong_to_nobody() -> None:
    facts = parse_dump(oops().encode(), "Oops", 1)
    assert facts.ip is not None
    assert facts.ip.function == "culprit"
    assert not parse_console((END + RIP + "Code: 00\n").encode()).found
    assert not parse_console((RIP + "Code: 00\n").encode()).found


@pytest.mark.parametrize(
    ("reason", "title"),
    [("Shutdown", "shutdown"), ("Restart", "restart"), ("Emergency", "emergency restart")],
)
def test_what_is_no_crash_is_not_called_one(reason: str, title: str) -> None:
    facts = parse_dump(oops().encode(), reason, 3)
    assert (facts.title, facts.error_class, facts.span) == (title, reason.lower(), None)
    assert len(facts.others) == 1


def test_console_is_called_after_its_first_report() -> None:
    text = warning("first") + oops() + PANIC + "Fatal exception\n"
    facts = parse_console(text.encode())
    assert (facts.title, facts.panic) == ("WARNING in first", None)
    assert [one.before for one in facts.others] == [False, False]
    assert parse_console(b"all is well\n").title == "no report in the text"


def test_an_oops_says_its_kernel_machine_task_and_place() -> None:
    banner = (
        "Linux version 6.1.5-x (root@vm) (gcc (D) 12, ld 2) #7 SMP Mon Nov 23 07:22:25 UTC 2026\n"
    )
    hardware = "Hardware name: Some Board, BIOS 1 04/01/2014\n"
    facts = parse_dump((banner + hardware + oops()).encode(), "Oops", 1)
    assert facts.kernel == "6.1.5-x"
    assert facts.build == "#7 SMP Mon Nov 23 07:22:25 UTC 2026"
    assert facts.hardware == "Some Board, BIOS 1 04/01/2014"
    assert (facts.taint, facts.cpu, facts.pid, facts.comm) == ("GDW", 1, 42, "a task")
    assert facts.ip == Location("culprit", 5, 0x20, None)
    assert facts.modules == ("mod", "other_mod-2")
    assert facts.trace == (
        Frame("ghost", 1, 2, None, reliable=False, stack="TASK"),
        Frame("caller", 0x10, 0x20, "mod", reliable=True, stack="TASK"),
        Frame("outer", 3, 4, None, reliable=True, stack="TASK"),
    )


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (
            "CPU: 0 PID: 106 Comm: init Not tainted 6.1.192 #1 ",
            ("", 0, 106, "init", "6.1.192", "#1"),
        ),
        (
            "CPU: 1 UID: 0 PID: 1 Comm: a b Tainted: G        W   E      6.12.1+d-amd64 #1  D 6",
            ("GWE", 1, 1, "a b", "6.12.1+d-amd64", "#1 D 6"),
        ),
        ("Pid: 12, comm: ext4 Not tainted 2.6.32 #1", ("", None, 12, "ext4", "2.6.32", "#1")),
    ],
)
def test_cpu_line_of_each_age(line: str, expected: tuple[object, ...]) -> None:
    facts = parse_console(f"Oops: 0000 [#1] SMP\n{line}\n".encode())
    found = (facts.taint, facts.cpu, facts.pid, facts.comm, facts.kernel, facts.build)
    assert found == expected


def test_hung_task_is_about_the_task_that_hangs() -> None:
    facts = parse_console(hung("sleeper", comm="my task", pid=77).encode())
    assert (facts.comm, facts.pid, facts.cpu) == ("my task", 77, None)


def test_report_is_verbatim_and_contiguous_from_its_first_line_to_the_panics_last() -> None:
    before, after = b"<6>[    1.0] noise\n", b"<0>[   9.000001] Kernel Offset: disabled\n"
    body = prefixed(oops() + "noise \x80\n" + PANIC + "Fatal exception", "printk")
    text = before * 3 + body + after
    span = parse_dump(text, "Panic", 2).span
    assert span is not None
    assert text[span.start : span.end] + b"\n" == body + after
    lines = (body + after).split(b"\n")[:-1]
    assert text.split(b"\n")[span.first_line : span.last_line + 1] == lines


def test_report_of_an_oops_ends_with_its_end_trace() -> None:
    text = oops().encode()
    span = parse_dump(text, "Oops", 1).span
    assert span is not None
    assert text[span.start : span.end].endswith(END.strip().encode())


def test_lines_of_other_cpus_in_between_do_no_harm() -> None:
    one = [f"[    1.000001][  T100] {line}" for line in oops().splitlines()]
    two = [f"[    1.000002][    C3] {line}" for line in warning("other").splitlines()]
    mixed = [line for pair in zip(one, two, strict=False) for line in pair] + one[len(two) :]
    facts = parse_console("\n".join(mixed).encode())
    assert facts.function == "culprit"
    assert [frame.function for frame in facts.trace] == ["ghost", "caller", "outer"]
    assert [one.title for one in facts.others] == ["WARNING in other"]


@pytest.mark.parametrize("line", range(1, 14))
def test_another_cpus_report_in_between_without_callers_ends_nothing(line: int) -> None:
    one = oops().split(END)[0].splitlines() + END.splitlines()
    other = (warning("other") + END).replace("PID: 42", "PID: 77").splitlines()
    mixed = "\n".join(one[:line] + other + one[line:]) + "\n"
    facts = parse_console(prefixed(mixed, "printk"))
    assert (facts.function, facts.pid) == ("culprit", 42)
    assert [frame.function for frame in facts.trace] == ["ghost", "caller", "outer"]
    assert [one.title for one in facts.others] == ["WARNING in other"]


def test_stalled_cpu_prints_its_part_itself() -> None:
    text = prefixed(RCU, "caller") + prefixed(stall(""), "caller").replace(b" T4711", b"    C1")
    assert parse_console(text).function == "real_work"


def test_what_others_print_during_a_stall_is_no_part_of_it() -> None:
    other = ("Call Trace:", " do_sys_openat2+0x1/0x2", " do_syscall_64+0x1/0x2")
    of_others = [f"[    1.000001][ T4444] {line}" for line in other]
    head, *rest = prefixed(RCU + stall(""), "caller").decode().splitlines()
    assert parse_console("\n".join([head, *of_others, *rest]).encode()).function == "real_work"


def test_signature_knows_nothing_of_machine_boot_and_build() -> None:
    one = parse_console(prefixed(oops(1, "culprit.isra.0"), "printk"))
    other = oops(3, "culprit.constprop.0.cold").replace("+0x5/0x20", "+0x77/0x99")
    other = other.replace("6.1.5-x #7", "6.12.1 #1").replace(
        "PID: 42 Comm: a task", "PID: 1 Comm: b"
    )
    two = parse_dump(other.encode(), "Oops", 3)
    assert one.signature == two.signature
    assert one.signature.startswith("2:")
    assert len(one.signature) == 18


def test_different_kinds_have_different_signatures() -> None:
    facts = [parse_console(text.encode()) for text, _, _ in TITLES]
    titles = {one.title for one in facts}
    assert len({one.signature for one in facts}) == len(titles)


def test_stamped_lines_are_the_same_bytes_in_dump_and_console() -> None:
    dump = b"<4>[    1.517805] BUG: x\n<6>[    2.000000][  T1] y  \nno time\n"
    console = b"[    1.517805] BUG: x\r\n[    2.000000][  T1] y\n"
    assert stamped(dump) == stamped(console) == console.replace(b"\r", b"").splitlines()


def test_times_are_those_of_the_text() -> None:
    facts = parse_console(b"x\n<4>[    1.517805] BUG: x\n<6>[   12.000001] y\n\n")
    assert (facts.first_time, facts.last_time) == (1_517_805, 12_000_001)


def test_controls_never_reach_what_is_composed() -> None:
    text = "BUG: \x1b[31mred\x07 \u2028\n" + CPU.replace("a task", "\x1b[2J") + TRACE
    facts = parse_console(text.encode())
    assert facts.title.isprintable()
    assert facts.comm is not None
    assert facts.comm.isprintable()


PIECES = st.sampled_from(
    ["BUG: ", "WARNING: CPU: 1 PID: ", "INFO: task ", " at: ", "Tainted: ", "[#1]", "+0x1/0x2 ",
     "RIP: 0010:", "Call Trace:\n", " ? f", "\n", "\0", "\r\n", "<4>[    1.000000] ", "KASAN: ",
     "Kernel panic - not syncing: ", "Fatal exception", "---[ end trace", " Comm: ", "[<ffff>] ",
     "x" * 50, " " * 50, "CPU: 1 PID: 2 Comm: ", "Modules linked in: ", " from ", "[inline]", "{}"]
)  # fmt: skip


@given(st.binary(max_size=2000), st.sampled_from(["Oops", "Panic", "Shutdown", "\x1b"]))
def test_any_bytes_are_parsed(text: bytes, reason: str) -> None:
    parse_console(text)
    parse_dump(text, reason, 1)


@settings(max_examples=300)
@given(st.lists(PIECES, max_size=80).map("".join))
def test_any_mixture_is_parsed_within_bounds(text: str) -> None:
    raw = text.encode()
    for facts in (parse_console(raw), parse_dump(raw, "Panic", 1), parse_dump(raw, "Oops", 1)):
        assert facts.title
        assert facts.title.isprintable()
        assert len(facts.title) <= 200
        if facts.span is not None:
            assert 0 <= facts.span.start <= facts.span.end <= len(raw)


@pytest.mark.parametrize(
    "piece",
    ["BUG: KASAN: " + "a " * 400, "Comm: Tainted: " * 60, " at: " * 200, " " * 1000 + "+0x1",
     "BUG: x\n", "Kernel panic - not syncing: Fatal exception\n", "[#1]" * 200, "kernel: " * 100,
     "[    1.", "Oops: " * 150 + "[#1]", "a+0x" * 250, "INFO: task " + "a:" * 500, "RIP: 0010:" * 9,
     "Unable to handle kernel " + "a" * 900, "x" * 65536, "a (" * 300 + "from "],
)  # fmt: skip
def test_time_is_linear_whatever_the_text(piece: str) -> None:
    line = piece if piece.endswith("\n") else piece + "\n"
    text = (line * (1 + (1 << 17) // len(line)))[: 1 << 17].encode()
    with effort() as spent:
        parse_console(text)
        parse_dump(text, "Panic", 1)
    assert spent.units < 160
