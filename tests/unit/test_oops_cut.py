"""Reports of which lines are lost: what is left still tells which bug it is."""

from __future__ import annotations

import pytest

from pstorefs.oops import parse_console, parse_dump

NULL = "BUG: unable to handle kernel NULL pointer dereference"
PAGING = "BUG: unable to handle kernel paging request"
CPU = "CPU: 1 PID: 42 Comm: cp Not tainted 6.1.5 #7\n"
TRACE = " caller+0x1/0x20\n outer+0x1/0x20\n"
X86_TRACE = (
    "CPU: 1 PID: 42 Comm: cp Not tainted 6.1.5 #7\nRIP: 0010:culprit+0x1/0x20\n"
    "CR2: {address} CR3: 000000010a2f8000 CR4: 0000000000750ee0\n"
    "Call Trace:\n <TASK>\n caller+0x1/0x20\n outer+0x1/0x20\n"
)
ARM64_TRACE = (
    "CPU: 1 PID: 42 Comm: cp Not tainted 6.1.5 #7\npc : culprit+0x1/0x20\nlr : caller+0x1/0x20\n"
    "Call trace:\n culprit+0x1/0x20\n caller+0x1/0x20\n outer+0x1/0x20\n"
)
#: First lines of a fault, what follows them, and the title.
FAULTS = {
    "x86 at null": (
        "BUG: kernel NULL pointer dereference, address: 0000000000000038\n",
        "Oops: 0000 [#1] PREEMPT SMP\n" + X86_TRACE.format(address="0000000000000038"),
        NULL,
    ),
    "x86 elsewhere": (
        "BUG: unable to handle page fault for address: ffffc90000bb0000\n",
        "Oops: Oops: 0002 [#1] SMP NOPTI\n" + X86_TRACE.format(address="ffffc90000bb0000"),
        PAGING,
    ),
    "arm64 at null": (
        "Unable to handle kernel NULL pointer dereference at virtual address 0000000000000010\n",
        "[0000000000000010] user address but active_mm is swapper\n"
        "Internal error: Oops: 0000000096000004 [#1] PREEMPT SMP\n" + ARM64_TRACE,
        NULL,
    ),
    "arm64 elsewhere": (
        "Unable to handle kernel paging request at virtual address ffffffd080000000\n",
        "[ffffffd080000000] pgd=1000000000000003, p4d=0000000000000000\n"
        "Internal error: Oops: 96000005 [#1] SMP\n" + ARM64_TRACE,
        PAGING,
    ),
    "powerpc at null": (
        "BUG: Kernel NULL pointer dereference on read at 0x00000008\n",
        ("Oops: Kernel access of bad area, sig: 11 [#1]\nNIP [c0080000001105f8] culprit+0x18/0x28\n"
        "CFAR: c0000000000f57dc DAR: 0000000000000008 DSISR: 40000000 IRQMASK: 0\n"
        "Call Trace:\n[c0000000022afbf0] [c0080000001103c4] caller+0x14c/0x170\n"
        "[c0000000022afbf0] [c0080000001103c4] outer+0x14c/0x170\n"),
        NULL,
    ),
    "riscv elsewhere": (
        "Unable to handle kernel paging request at virtual address ff6000027fc00000\n",
        ("Oops [#1]\nepc : culprit+0x1/0x20\n ra : caller+0x1/0x20\n"
        "status: 0000000200000120 badaddr: ff6000027fc00000 cause: 000000000000000d\n"
        "[<ffffffff80006a8c>] culprit+0x1/0x20\n[<ffffffff80006a8c>] caller+0x1/0x20\n"),
        PAGING,
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_is_the_same_bug_without_its_first_line(name: str) -> None:
    head, rest, title = FAULTS[name]
    whole = parse_console((head + rest).encode())
    cut = parse_console((head[9:] + rest).encode())
    assert cut.title == whole.title == f"{title} in culprit"
    assert cut.signature == whole.signature
    assert cut.stack == whole.stack


UD2 = "Code: 48 89 df e8 5b ff ff ff eb d4 <0f> 0b 66 0f 1f 44 00 00\n"
#: What is left of a BUG() whose line is lost: the exception's, and what shows its instruction.
BUGS = {
    "x86": ("invalid opcode: 0000 [#1] SMP\n", f"RIP: 0010:culprit+0x1/0x20\n{UD2}"),
    "x86 since 6.10": (
        "Oops: invalid opcode: 0000 [#1] SMP NOPTI\n",
        f"RIP: 0010:culprit+0x1/0x20\n{UD2}",
    ),
    "i386": ("invalid opcode: 0000 [#1] SMP\n", f"EIP: culprit+0x1/0x20\n{UD2}"),
    "powerpc": (
        "Oops: Exception in kernel mode, sig: 5 [#1]\n",
        "REGS: c03a8b7c0 TRAP: 0700   Not tainted\nNIP [c0080000001105f8] culprit+0x18/0x28\n",
    ),
    "s390": (
        "monitor event: 0040 ilc:2 [#1] SMP \n",
        "Krnl PSW : 0704c00180000000 000003ff80a2b3c4 (culprit+0x34/0x500)\n",
    ),
}


@pytest.mark.parametrize("said", ["", "list_del corruption. next->prev should be ffff8881\n"])
@pytest.mark.parametrize("machine", BUGS)
def test_a_bug_is_the_same_without_its_line(machine: str, said: str) -> None:
    trap, registers = BUGS[machine]
    rest = f"{trap}{CPU}{registers}Call Trace:\n{TRACE}"
    whole = parse_console(f"{said}kernel BUG at lib/a.c:59!\n{rest}".encode())
    cut = parse_console(f"{said}{rest}".encode())
    assert cut.title == whole.title
    assert cut.title == f"{'BUG: corrupted list' if said else 'kernel BUG'} in culprit"
    assert (cut.signature, cut.error_class) == (whole.signature, whole.error_class)


def test_an_instruction_that_the_processor_does_not_know_is_no_bug() -> None:
    code = "Code: c4 e2 7b f6 <62> f1 7d 48 6f 07 0f 0b\n"
    text = f"invalid opcode: 0000 [#1] SMP\n{CPU}RIP: 0010:culprit+0x1/0x20\n{code}"
    assert parse_console(text.encode()).title == "invalid opcode in culprit"
    text = f"Oops: Exception in kernel mode, sig: 5 [#1]\nREGS: c0 TRAP: 0d00   Not tainted\n{CPU}"
    text += "NIP [c0080000001105f8] culprit+0x18/0x28\n"
    assert parse_console(text.encode()).title == "Exception in kernel mode in culprit"


#: What the trace of a report holds whose beginning is lost, and its title.
TRACES = {
    " ? __die_body+0x1/0x2\n ? page_fault_oops+0x1/0x2\n": f"{PAGING} in culprit",
    " ? die_addr+0x1/0x2\n ? exc_general_protection+0x1/0x2\n": (
        "general protection fault in culprit"
    ),
    " ? do_error_trap+0x1/0x2\n ? handle_invalid_op+0x1/0x2\n": "kernel BUG in culprit",
    " ? watchdog_timer_fn+0x1/0x2\n ? asm_sysvec_apic_timer_interrupt+0x1/0x2\n": (
        "BUG: soft lockup in sys_munmap"
    ),
}


@pytest.mark.parametrize("frames", TRACES)
def test_a_report_without_its_first_lines_is_known_by_who_printed_it(frames: str) -> None:
    text = (
        "RIP: 0010:culprit+0x1/0x20\nCall Trace:\n <TASK>\n"
        f"{frames} caller+0x1/0x20\n __x64_sys_munmap+0x1/0x20\n do_syscall_64+0x1/0x20\n"
    )
    assert parse_console(text.encode()).title == TRACES[frames]


@pytest.mark.parametrize(
    ("text", "title"),
    [
        (
            (
                "------------[ cut here ]------------\nrefcount_t: addition on 0; use-after-free.\n"
                f"Modules linked in:\n{CPU}RIP: 0010:culprit+0x1/0x20\nCall Trace:\n{TRACE}"
                "---[ end trace 0000000000000000 ]---\n"
            ),
            "WARNING: refcount bug in culprit",
        ),
        (
            (
                "------------[ cut here ]------------\nindex 9 is out of range for type 'int [4]'\n"
                f"{CPU}Call Trace:\n dump_stack_lvl+0x1/0x2\n ubsan_epilogue+0x1/0x2\n"
                f" __ubsan_handle_out_of_bounds+0x1/0x2\n{TRACE}---[ end trace ]---\n"
            ),
            "UBSAN: array-index-out-of-bounds in caller",
        ),
        # a list of tasks, rows of a program
        (f"{'=' * 66}\n{CPU}Call Trace:\n{TRACE}", "no report in the text"),
        (f"{'=' * 66}\nResults\n{'=' * 66}\n", "no report in the text"),
    ],
)
def test_a_report_that_is_announced_is_one_without_its_first_line(text: str, title: str) -> None:
    assert parse_console(text.encode()).title == title


#: Texts that end within a name, and the title without it.
CUT_NAMES = {
    f"BUG: spinlock recursion on CPU#1, cp/42\n{CPU}Call Trace:\n [<ffffffff81d90a29>] f+0x1/0x2\n"
    " [<ffffffff81d90a30>] cul": "BUG: spinlock recursion in f",
    f"INFO: task cp:42 blocked for more than 120 seconds.\n{CPU}Call Trace:\n schedule+0x1/0x2\n"
    " cul": "INFO: task hung",
    f"BUG: kernel NULL pointer dereference\n{CPU}Code: +0x1/0x2\nRIP: 0010:culp": NULL,
    "WARNING: possible recursive locking detected\ncp/42 is trying to acquire lock:\n"
    "ffff88810d5a3c40 (&a->b){+.+.}, at: first+0x1/0x2\nbut task is already holding lock:\n"
    "ffff88810d5a3c40 (&a->b){+.+.}, at: cul": "possible deadlock in first",
    f"BUG: kernel NULL pointer dereference, address: 00\n{CPU}RIP: 0010:culprit+0x1/0x2\n"
    "Kernel panic - not syncing: Fatal exception": f"{NULL} in culprit",
}


@pytest.mark.parametrize("text", CUT_NAMES)
def test_the_beginning_of_a_name_is_no_function(text: str) -> None:
    assert parse_console(text.encode()).title == CUT_NAMES[text]
    assert parse_console(text.encode()).panic in (None, "Fatal exception")


@pytest.mark.parametrize("foreign", ["eth0: renamed from veth1", "sshd[7]: publickey from ::1"])
@pytest.mark.parametrize("name", FAULTS)
def test_a_message_with_the_word_from_is_no_trace(name: str, foreign: str) -> None:
    head, rest, title = FAULTS[name]
    assert parse_console(f"{head}{foreign}\n{rest}".encode()).title == f"{title} in culprit"
    cut = rest.replace("Internal error", f"{foreign}\nInternal error")
    assert parse_console(cut.encode()).title == f"{title} in culprit"


@pytest.mark.parametrize(
    ("first", "frame"),
    [
        ("rcu: INFO: rcu_preempt self-detected stall on CPU\n", "sched_show_task"),
        ("rcu: INFO: rcu_preempt self-detected stall on CPU\n", "watchdog_timer_fn"),
        ("INFO: task cp:42 blocked for more than 120 seconds.\n", "schedule"),
        ("INFO: task cp:42 blocked for more than 120 seconds.\n", "schedule_timeout"),
    ],
)
def test_what_a_detector_and_all_who_wait_have_in_common_is_no_place(
    first: str, frame: str
) -> None:
    facts = parse_console(f"{first}{CPU}Call Trace:\n __x+0x1/0x2\n {frame}+0x1/0x2\n".encode())
    assert facts.title.endswith("in __x")
    facts = parse_console(f"{first}{CPU}Call Trace:\n {frame}+0x1/0x2\n".encode())
    assert facts.title in ("INFO: rcu detected stall", "INFO: task hung")
    assert not facts.signature


@pytest.mark.parametrize(
    ("frame", "message", "title"),
    [
        ("handle_invalid_op", "Fatal exception", "kernel BUG in culprit"),
        ("page_fault_oops", "Fatal exception in interrupt", f"{PAGING} in culprit"),
        ("watchdog_timer_fn", "softlockup: hung tasks", "BUG: soft lockup in sys_munmap"),
        ("x", "Fatal exception", None),
    ],
)
def test_a_panic_is_called_after_its_report_whose_first_lines_are_lost(
    frame: str, message: str, title: str | None
) -> None:
    text = (
        f"Call Trace:\n <IRQ>\n ? {frame}+0x1/0x2\n </IRQ>\n culprit+0x1/0x2\n"
        " __x64_sys_munmap+0x1/0x20\n do_syscall_64+0x1/0x20\n"
        f"---[ end trace 0000000000000000 ]---\nRIP: 0010:culprit+0x1/0x20\n"
        f"Kernel panic - not syncing: {message}\n"
    ).encode()
    for facts in (parse_console(text), parse_dump(text, "Panic", 1), parse_dump(text, "")):
        assert facts.panic == message
        if title is not None:
            assert facts.title == title


def test_a_task_that_waits_in_zfs_hangs_where_it_called_the_wait() -> None:
    text = (
        f"INFO: task txg_sync:42 blocked for more than 120 seconds.\n{CPU}Call Trace:\n"
        " schedule+0x1/0x2\n __cv_timedwait_common+0x1/0x2 [spl]\n culprit+0x1/0x2 [zfs]\n"
    )
    assert parse_console(text.encode()).title == "INFO: task hung in culprit"


# Text is lost inside a report: a part of the dump is missing or damaged
_CUT_HEAD = (
    "<1>[  812.100000] BUG: kernel NULL pointer dereference, address: 0000000000000018\n"
    "<4>[  812.100001] Oops: Oops: 0000 [#1] PREEMPT SMP NOPTI\n"
    "<4>[  812.100002] CPU: 3 UID: 0 PID: 4211 Comm: nginx Not tainted 6.12.48 #1\n"
    "<4>[  812.100003] RIP: 0010:culprit+0x4c/0x130\n"
)
_CUT_END = (
    "<4>[  {after:.6f}] RAX: 0000000000000000 RBX: ffff9d5f04a0c000 RCX: 0000000000000000\n"
    "<4>[  {after:.6f}] Call Trace:\n"
    "<4>[  {after:.6f}]  caller+0xa5/0x370\n"
    "<4>[  {after:.6f}]  outer+0xa5/0x370\n"
    "<4>[  {after:.6f}] ---[ end trace 0000000000000000 ]---\n"
    "<0>[  {after:.6f}] Kernel panic - not syncing: Fatal exception\n"
)
_LOST = "[pstorefs: part 2 of at least 3 is missing]\n"
_KEPT = "[pstorefs: part 1 (dmesg-ramoops-0) is damaged]\n"
_WRONG = "[pstorefs: part 1 (dmesg-ramoops-0) may be wrong: its memory was damaged]\n"
_OF_ZLIB = "[pstorefs: zlib data cut short: the data ends; 154 of 154 bytes used]\n"


@pytest.mark.parametrize(
    ("between", "after", "title", "others"),
    [
        (_LOST, 812.1001, None, 0),
        (f"{_KEPT}{_OF_ZLIB}[pstorefs: end of part 1 (dmesg-ramoops-0)]\n", 812.1001, None, 0),
        (_KEPT, 900.0, None, 0),  # nothing is lost
        (_WRONG, 900.0, None, 0),
        (_LOST, 900.0, "kernel panic: Fatal exception in caller", 1),  # may be another oops's
        (_LOST, 812.0, "kernel panic: Fatal exception in caller", 1),
    ],
)
def test_an_oops_goes_on_behind_a_gap_if_its_clock_does(
    between: str, after: float, title: str | None, others: int
) -> None:
    facts = parse_dump(f"{_CUT_HEAD}{between}{_CUT_END.format(after=after)}".encode(), "Panic", 2)
    assert (facts.title, len(facts.others)) == (title or f"{NULL} in culprit", others)
    assert facts.cut == bool(others)
    assert [frame.function for frame in facts.trace][-2:] == ["caller", "outer"]


def test_a_report_with_its_own_beginning_is_not_what_a_gap_cut() -> None:
    other = _CUT_HEAD.replace("culprit", "other").replace("[#1]", "[#2]")
    text = f"{_CUT_HEAD}{_LOST}{other}{_CUT_END.format(after=812.1001)}"
    facts = parse_dump(text.encode(), "Panic", 2)
    assert facts.title == f"{NULL} in other"
    assert [each.title for each in facts.others] == [f"{NULL} in culprit"]


#: Reports that break off while their traces are in the machinery, and what is known of them.
BROKEN_OFF = {
    "a check of the network": (
        ("kernel BUG at net/core/skbuff.c:110!\ninvalid opcode: 0000 [#1] SMP\n"
        "CPU: 1 PID: 42 Comm: cp Not tainted 6.1.5 #7\nRIP: 0010:skb_panic+0x1/0x20\n"),
        "Call Trace:\n <TASK>\n skb_put+0x1/0x20\n",
        "kernel BUG",
        "skb_panic",
    ),
    "KASAN": (
        ("BUG: KASAN: use-after-free in __list_del_entry_valid+0x1/0x20\n"
        "Read of size 8 at addr ffff8880a2c2e640 by task a/42\n\n"
        "CPU: 1 PID: 42 Comm: a Not tainted 6.1.5 #7\n"),
        "Call Trace:\n dump_stack+0x1/0x20\n kasan_report+0x1/0x20\n",
        "KASAN: use-after-free Read",
        "__list_del_entry_valid",
    ),
    "a warning that panics, and its registers": (
        ("WARNING: CPU: 1 PID: 42 at lib/refcount.c:186 refcount_inc+0x1/0x20\n"
        "Kernel panic - not syncing: panic_on_warn set ...\n\n"
        "CPU: 1 PID: 42 Comm: a Not tainted 4.14.0 #7\n"),
        ("Call Trace:\n panic+0x1/0x20\n __warn+0x1/0x20\n invalid_op+0x1/0x20\n"
        "RIP: 0010:refcount_inc+0x1/0x20\nRSP: 0018:ffff8801d8f7f5b0 EFLAGS: 00010286\n"),
        "WARNING: refcount bug",
        "refcount_inc",
    ),
    "a stall": (
        ("rcu: INFO: rcu_sched self-detected stall on CPU\n"
        "CPU: 1 PID: 42 Comm: a Not tainted 4.14.0 #7\n"),
        ("Call Trace:\n <IRQ>\n dump_stack+0x1/0x20\n nmi_cpu_backtrace.cold.8+0x1/0x20\n"
        " rcu_dump_cpu_stacks+0x1/0x20\n"),
        "INFO: rcu detected stall",
        None,
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", BROKEN_OFF)
def test_machinery_is_not_named_where_its_caller_is_lost(case: str) -> None:
    head, trace, title, _ = BROKEN_OFF[case]
    for lost in ("", " kfree_s", "[pstorefs: part 1 is missing]\n"):
        facts = parse_console((head + trace + lost).encode())
        assert (facts.title, facts.function, facts.signature) == (title, None, ""), lost


@pytest.mark.parametrize("case", [case for case, row in BROKEN_OFF.items() if row[3]])
def test_machinery_is_named_where_nobody_called_it(case: str) -> None:
    head, trace, title, function = BROKEN_OFF[case]
    facts = parse_console(f"{head}{trace} entry_SYSCALL_64_after_hwframe+0x1/0x20\n".encode())
    assert facts.title == f"{title} in {function}"


def test_programs_that_go_on_writing_do_not_complete_a_trace() -> None:
    head, trace, title, _ = BROKEN_OFF["KASAN"]
    kernel = "".join(f"[   12.000001] {line}\n" for line in (head + trace).splitlines())
    assert parse_console((kernel + "executing program 3\n" * 9).encode()).title == title


def test_where_a_lock_was_taken_in_the_past_is_not_where_it_is_misused() -> None:
    text = (
        "WARNING: inconsistent lock state\n6.1.5 #7 Not tainted\n"
        "inconsistent {HARDIRQ-ON-W} -> {IN-HARDIRQ-W} usage.\n"
        "{HARDIRQ-ON-W} state was registered at:\n lock_acquire+0x1/0x20\n innocent+0x1/0x20\n"
    )
    assert parse_console(text.encode()).title == "inconsistent lock state"


def test_what_an_interrupt_interrupted_is_not_named_where_the_beginning_is_lost() -> None:
    text = (
        "Call Trace:\n <IRQ>\n culprit+0x1/0x20\n __usb_hcd_giveback_urb+0x1/0x20\n"
        " apic_timer_interrupt+0x1/0x20\n </IRQ>\nRIP: 0010:default_idle+0x1/0x20\n"
        " cpu_startup_entry+0x1/0x20\n"
    )
    facts = parse_console(text.encode())
    assert (facts.function, facts.interrupted, facts.signature) == ("culprit", True, "")


def test_an_exception_on_an_interrupts_stack_is_where_it_came() -> None:
    text = (
        "Call Trace:\n <IRQ>\n __warn+0x1/0x20\n asm_exc_invalid_op+0x1/0x20\n"
        "RIP: 0010:culprit+0x1/0x20\n __hrtimer_run_queues+0x1/0x20\n </IRQ>\n"
    )
    facts = parse_console(text.encode())
    assert (facts.title, facts.interrupted) == ("WARNING in culprit", False)


STALL = (
    "CPU: 1 PID: 42 Comm: a Not tainted 4.19.0 #7\nCall Trace:\n <IRQ>\n"
    " rcu_dump_cpu_stacks+0x1/0x20\n rcu_check_callbacks.cold+0x1/0x20\n"
    " update_process_times+0x1/0x20\n apic_timer_interrupt+0x1/0x20\n </IRQ>\n"
    "RIP: 0010:chance+0x1/0x20\n worker+0x1/0x20\n ksys_culprit+0x1/0x20\n"
    " __x64_sys_culprit+0x1/0x20\n do_syscall_64+0x1/0x20\n"
)


def test_a_stall_that_lost_its_beginning_keeps_its_name() -> None:
    whole = parse_console(f"rcu: INFO: rcu_sched self-detected stall on CPU\n{STALL}".encode())
    cut = parse_console(STALL.encode())
    assert whole.title.startswith("INFO: rcu detected stall in ")
    assert (cut.title, cut.signature) == (whole.title, whole.signature)


def test_a_warning_of_which_the_panic_alone_is_left_has_its_signature() -> None:
    panic = (
        "Kernel panic - not syncing: panic_on_warn set ...\n"
        "CPU: 1 PID: 42 Comm: a Not tainted 6.1.5 #7\nCall Trace:\n panic+0x1/0x20\n"
        " __warn+0x1/0x20\n asm_exc_invalid_op+0x1/0x20\nRIP: 0010:culprit+0x1/0x20\n"
        " outer+0x1/0x20\n do_syscall_64+0x1/0x20\n"
    )
    head = "WARNING: CPU: 1 PID: 42 at fs/a.c:1 culprit+0x1/0x20\n"
    whole, cut = (parse_dump(text.encode(), "Panic", 1) for text in (head + panic, panic))
    assert whole.signature
    assert (cut.title, cut.signature) == (whole.title, whole.signature)


def test_an_oops_that_has_only_begun_on_another_processor_is_not_the_one_that_is_dumped() -> None:
    text = (
        "[  237.067842][    C0] BUG: TASK stack guard page was hit at ffffc900054afff8\n"
        "[  237.067871][    C0] stack guard page: 0000 [#1] PREEMPT SMP KASAN\n"
        "[  237.067925][    C0] RIP: 0010:culprit+0x17/0x70\n"
        "[  237.068257][    C0] Call Trace:\n"
        "[  237.068267][    C0]  culprit+0x90/0xe40\n"
        "[  237.848234][    C1] BUG: TASK stack guard page was hit at ffffc900054cfff8\n"
        "[  239.022496][    C0] ---[ end trace 609e57bc3616171e ]---\n"
    )
    facts = parse_dump(text.encode(), "Oops", 1)
    assert facts.title == "BUG: stack guard page was hit in culprit"


def test_frames_without_their_header_are_not_those_of_the_panic() -> None:
    text = (
        "INFO: task cp:42 blocked for more than 120 seconds.\n"
        f"task:cp    state:D stack:0\n{TRACE}"
        f"Kernel panic - not syncing: hung_task: blocked tasks\n{CPU}"
        "Call Trace:\n panic+0x1/0x2\n watchdog+0x1/0x2\n kthread+0x1/0x2\n"
    )
    assert parse_console(text.encode()).title == "INFO: task hung in caller"


#: A panic from its line to its end, and its title.
PANICS = {
    "VFS: Unable to mount root fs on unknown-block(0,0)": (
        "kernel panic: VFS: Unable to mount root fs on unknown-block(0,0)"
    ),
    "stack-protector: Kernel stack is corrupted in: culprit+0x412/0x420": (
        "kernel panic: stack is corrupted in culprit"
    ),
    "corrupted stack end detected inside scheduler": "kernel panic: corrupted stack end in caller",
}


@pytest.mark.parametrize("old", [False, True])
@pytest.mark.parametrize("message", PANICS)
def test_a_panic_whose_line_is_lost_is_called_after_its_end(message: str, old: bool) -> None:
    words = f"Kernel panic - not syncing: {message}"
    end = f"---[ end {words}" if old else f"---[ end {words} ]---"
    body = f"{CPU}Call Trace:\n dump_stack+0x1/0x2\n panic+0x1/0x2\n schedule+0x1/0x2\n{TRACE}"
    whole = parse_console(f"{words}\n{body}Kernel Offset: disabled\n{end}\n".encode())
    cut = parse_console(f"{body}Kernel Offset: disabled\n{end}\n".encode())
    assert cut.title == whole.title == PANICS[message]
    assert (cut.signature, cut.panic, cut.pid) == (whole.signature, message, 42)
    assert (cut.cut, whole.cut) == (True, False)
    assert cut.crashed
    assert parse_console(f"{end}\n".encode()).panic == message


def test_a_panic_that_says_its_end_is_one() -> None:
    words = "Kernel panic - not syncing: Fatal exception"
    for between in ("", "---[ end trace 0000000000000000 ]---\n"):
        oops = (
            f"BUG: kernel NULL pointer dereference\nOops: 0000 [#1] SMP\n{CPU}RIP: 0010:f+0x1/0x2\n"
        )
        text = f"{oops}{between}{words}\n{CPU}{between}---[ end {words} ]---\n"
        facts = parse_console(text.encode())
        assert (facts.title, facts.panic, facts.others) == (f"{NULL} in f", "Fatal exception", ())
        facts = parse_console(text.replace(f"{words}\n{CPU}", "").encode())
        assert (facts.title, facts.panic, facts.others) == (f"{NULL} in f", "Fatal exception", ())


def test_a_stall_that_breaks_off_before_its_work_keeps_its_name() -> None:
    text = (
        "watchdog: BUG: soft lockup - CPU#1 stuck for 22s! [kworker/1:1:42]\n"
        "CPU: 1 PID: 42 Comm: kworker/1:1 Not tainted 6.1.5 #7\nWorkqueue: events my_work [mod]\n"
        "RIP: 0010:spin+0x1/0x20\nCall Trace:\n <TASK>\n inner+0x1/0x20\n my_work+0x1/0x20 [mod]\n"
        " process_one_work+0x1/0x20\n worker_thread+0x1/0x20\n kthread+0x1/0x20\n"
        " ret_from_fork+0x1/0x20\n </TASK>\n"
    )
    lines = text.splitlines(keepends=True)
    for count in range(4, len(lines) + 1):
        facts = parse_console("".join(lines[:count]).encode())
        assert facts.title == "BUG: soft lockup in my_work", count
    waits = text.replace("RIP: 0010:spin", "RIP: 0010:smp_call_function_many_cond")
    cut = "".join(waits.splitlines(keepends=True)[:4])
    assert parse_console(cut.encode()).title == "BUG: soft lockup in smp_call_function"
