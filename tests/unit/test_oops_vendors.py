"""What the kernels of makers print before each line, and old and rare kernels in theirs: titles.

Texts by hand, in the kernels' forms. The usual ones of each architecture are in
test_oops_architectures.py.
"""

# ruff: noqa: E501, ISC004 -- a kernel's lines are as long as they are

from __future__ import annotations

import itertools

import pytest

from pstorefs.oops import parse_console, parse_dump
from pstorefs.oops.lines import split, stamped
from pstorefs.oops.skip_functions import first

NULL = "BUG: unable to handle kernel NULL pointer dereference in "
CPU = "CPU: 1 PID: 58 Comm: init Tainted: G        W         6.1.192 #2\n"

#: What a maker's kernel prints before a line, and who printed it.
PREFIXES = {
    "<1>[  12.345678]<1>.(1)[123:kworker/1:2]": "T123",  # MediaTek
    "[  12.345678] -(0)[0:swapper/0]": "C0",
    "[  12.345678][T1000211]  kworker/u16:3: [name:bug&]": "T1000211",
    "[  12.345678][T800211] binder:58_2: [name:traps&]": "T800211",
    "<0>[  12.345678]  (3)[211:kworker/u16:3][name:traps&]": "T211",
    "<1>[  12.345678,0] ": "",  # Motorola
    "[  12.345678@1] ": "",  # Amlogic
    "[  12.345678] c1 ": "C1",  # Unisoc
    "[  12.345678] c1  3456 ": "T3456",  # Qualcomm
}


@pytest.mark.parametrize("prefix", PREFIXES)
def test_a_makers_prefix_is_no_part_of_the_line(prefix: str) -> None:
    (line,) = split(f"{prefix}kernel BUG at mm/a.c:12!\n".encode())
    assert (line.text, line.time) == ("kernel BUG at mm/a.c:12!", 12_345_678)
    assert line.caller == PREFIXES[prefix]
    (whole,) = stamped(f"{prefix}text\n".encode())
    assert whole.startswith(b"[  12.345678")


#: Registers, traces and first lines; the title.
TITLES = {
    "arm-2.6-bug": (
        "kernel BUG at mm/a.c:12!\n"
        "Unable to handle kernel NULL pointer dereference at virtual address 00000000\n"
        "Internal error: Oops: 805 [#1]\nCPU: 0    Not tainted  (2.6.32.2 #1)\n"
        "PC is at __bug+0x1c/0x28\nLR is at __bug+0x18/0x28\n"
        "[<c0033a1c>] (__bug+0x1c/0x28) from [<c00a1c2c>] (culprit+0x1c/0x28)\n"
        "[<c00a1c2c>] (culprit+0x1c/0x28) from [<c00a1d2c>] (caller+0x1c/0x28)\n",
        "kernel BUG in culprit",
    ),
    "x86-64-2.6.18-module": (
        "Kernel BUG at fs/a/b.c:12\ninvalid opcode: 0000 [1] SMP \nCPU 1 \n"
        "Pid: 58, comm: init Not tainted 2.6.18-92 #1\n"
        "RIP: 0010:[<ffffffff88033912>]  [<ffffffff88033912>] :mod:culprit+0x10/0x20\n"
        "Call Trace:\n [<ffffffff88037662>] :mod:caller+0xc1/0x213\n"
        " [<ffffffff80032bdc>] kthread+0xfe/0x132\n",
        "kernel BUG in culprit",
    ),
    "ia64": (
        "Unable to handle kernel NULL pointer dereference (address 0000000000000028)\n"
        "init[58]: Oops 8813272891392 [1]\nPid: 58, CPU 2, comm:                 init\n"
        "ip is at culprit+0x4c0/0x9a0 [mod]\nCall Trace:\n [<a000000100016d80>] show_stack+0x40/0xa0\n"
        " [<a000000100061a60>] ia64_do_page_fault+0x8c0/0x9e0\n"
        " [<a00000010000c8a0>] ia64_native_leave_kernel+0x0/0x270\n"
        " [<a000000200b21c20>] culprit+0x4c0/0x9a0 [mod]\n",
        NULL + "culprit",
    ),
    "arc": (
        "Oops\nPath: (null)\n" + CPU +
        "[ECR   ]: 0x00050100 => Invalid Read @ 0x00000014 by insn @ 0x901c2a34\n"
        "[BLINK ]: caller+0x60/0x420\n[ERET  ]: culprit+0x94/0x420\n"
        "Stack Trace:\n  culprit+0x94/0x420\n  caller+0x34/0x160\n",
        "Oops in culprit",
    ),
    "mips-bus-error": (
        "Data bus error, epc == 80279f2c, ra == 80279f18\nOops[#1]:\n" + CPU +
        "epc   : 80279f2c culprit+0x20/0x530\nra    : 80279f18 caller+0x60/0x90\n"
        "Call Trace:\n[<80279f2c>] culprit+0x20/0x530\n[<80279018>] caller+0x60/0x90\n",
        "Data bus error in culprit",
    ),
    "cfi-panic": (
        "Kernel panic - not syncing: CFI failure (target: callee+0x0/0x4)\n" + CPU +
        "Call trace:\n dump_backtrace.cfi_jt+0x0/0x4\n panic+0x150/0x3a0\n"
        " __cfi_slowpath_diag+0x1c/0x20\n culprit+0x10/0x20\n caller+0x10/0x20\n",
        "kernel panic: CFI failure in culprit",
    ),
    "x86-64-2.6.18-count": (
        "general protection fault: 0000 [1] SMP \nCPU 1 \nPid: 58, comm: init Not tainted 2.6.18-92 #1\n"
        "RIP: 0010:[<ffffffff88033912>]  [<ffffffff88033912>] culprit+0x10/0x20\n"
        "Call Trace:\n [<ffffffff88037662>] caller+0xc1/0x213\n",
        "general protection fault in culprit",
    ),
    "x86-64-2.6.32-nmi": (
        "BUG: NMI Watchdog detected LOCKUP on CPU1, ip ffffffff814f03a1, registers:\nCPU 1 \n"
        "Pid: 58, comm: init Not tainted 2.6.32-220 #1\n"
        "RIP: 0010:[<ffffffff814f03a1>]  [<ffffffff814f03a1>] _spin_lock+0x21/0x30\n"
        "Call Trace:\n [<ffffffffa00e7d12>] culprit+0x42/0xb0 [mod]\n"
        " [<ffffffff8108b2b0>] worker_thread+0x170/0x2a0\n [<ffffffff81090886>] kthread+0x96/0xa0\n",
        "Watchdog detected hard LOCKUP in culprit",
    ),
    "x86-64-2.6.18-page": (
        "Bad page state in process 'init'\nBacktrace:\n\nCall Trace:\n"
        " [<ffffffff8020b7f2>] bad_page+0x69/0x91\n [<ffffffff8020b8f2>] free_hot_cold_page+0x69/0x91\n"
        " [<ffffffff8020b9f2>] culprit+0x69/0x91\n",
        "BUG: Bad page state in culprit",
    ),
    "powerpc-xmon": (
        "cpu 0x3: Vector: 300 (Data Access) at [c00000007f1a2b60]\n"
        "    pc: d000000000123456: culprit+0x5c/0x110 [mod]\n"
        "    lr: d000000000123450: caller+0x5c/0x110 [mod]\n    sp: c00000007f1a2de0\n"
        "   msr: 8000000000009033\n   dar: 28\n dsisr: 40000000\n    pid   = 58, comm = init\n"
        "enter ? for help\n[c00000007f1a2e10] d000000000123450 caller+0x5c/0x110 [mod]\n",
        "BUG: unable to handle kernel paging request in culprit",
    ),
    "arm-lockdep-history": (
        "WARNING: inconsistent lock state\n5.10.0 #3 Not tainted\n"
        "{HARDIRQ-ON-W} state was registered at:\n  lock_acquire+0x1c/0x80\n  earlier+0x1c/0x80\n"
        "stack backtrace:\n" + CPU +
        "[<c010f1a0>] (unwind_backtrace) from [<c010b2a4>] (show_stack+0x10/0x14)\n"
        "[<c010b2a4>] (show_stack) from [<c06d2b00>] (mark_lock+0x10/0x14)\n"
        "[<c06d2b00>] (mark_lock) from [<c05d2c00>] (culprit+0x10/0x14)\n",
        "inconsistent lock state in culprit",
    ),
    "regmap-lock": (
        "BUG: sleeping function called from invalid context at kernel/locking/mutex.c:97\n"
        "in_atomic(): 1, irqs_disabled(): 128, pid: 58, name: init\n" + CPU +
        "[<c010f1a0>] (unwind_backtrace) from [<c010b2a4>] (show_stack+0x10/0x14)\n"
        "[<c010b2a4>] (show_stack) from [<c06d2b00>] (mutex_lock+0x10/0x14)\n"
        "[<c06d2b00>] (mutex_lock) from [<c05d2b00>] (regmap_lock_mutex+0x10/0x14)\n"
        "[<c05d2b00>] (regmap_lock_mutex) from [<c05d2c00>] (culprit+0x10/0x14)\n",
        "BUG: sleeping function called from invalid context in culprit",
    ),
    **{
        f"mips-{what}": (
            f"{what}[#1]:\n{CPU}epc   : 803d7d90 culprit+0x68/0x3f8\n"
            "ra    : 803d8600 caller+0xd0/0x118\nCall Trace:\n[<803d7d90>] culprit+0x68/0x3f8\n",
            f"{what} in culprit",
        )
        for what in (
            *("FP exception in kernel code", "Integer overflow", "do_cpu invoked from kernel context!"),
            *("do_lasx invoked from kernel context!", "Unhandled kernel unaligned access"),
            "Unhandled kernel unaligned access or invalid instruction",
        )
    },
    **{
        f"powerpc-{what}": (
            f"{before}Oops: {what}, sig: 6 [#1]\nLE PAGE_SIZE=64K MMU=Radix SMP NR_CPUS=2048 PowerNV\n{CPU}"
            "NIP:  c0000000012345a4 LR: c008000000133ed8 CTR: c0080000001305a0\n"
            "CFAR: c00000000000bef4 DAR: 0000000000000000 DSISR: 42000000 IRQMASK: 0\n"
            "NIP [c0000000012345a4] culprit+0x10/0x90\nLR [c008000000133ed8] caller+0x10/0x20\n",
            f"{what} in culprit",
        )
        for before, what in (
            ("", "Exception in kernel mode"), ("", "System Reset"), ("", "Weird page fault"),
            ("Unrecoverable VSX Unavailable Exception f40 at c0000000012345a4\n",
             "Unrecoverable VSX Unavailable Exception"),
        )
    },
    **{
        f"sparc-{what}": (
            f"              \\|/ ____ \\|/\nudevd(58): {what} [#1]\n{CPU}"
            "TSTATE: 0000004411001603 TPC: 00000000004b8d20 TNPC: 00000000004b8d24 Y: 00000000\n"
            "TPC: <culprit+0x20/0x60>\nRPC: <caller+0x20/0x50>\nCall Trace:\n"
            "[<00000000004b8e20>] caller+0x20/0x50\n",
            f"{what} in culprit",
        )
        for what in ("Kernel illegal instruction", "Kernel bad sw trap 5", "Oops")
    },
    "xtensa-illegal": (
        f"Illegal instruction in kernel: sig: 9 [#1] PREEMPT\n{CPU}"
        "pc: d0123456, ps: 00060530, depc: 00000020, excvaddr: 00000010\n"
        "Call Trace:\n [<d0123456>] culprit+0x16/0x40\n [<d0123556>] caller+0x16/0x40\n",
        "Illegal instruction in kernel in culprit",
    ),
    "xtensa-null": (
        "Unable to handle kernel paging request at virtual address 00000010\n pc = d0123456, ra = 9012\n"
        f"Oops: sig: 9 [#1] PREEMPT SMP\n{CPU}"
        "Call Trace:\n [<d0123456>] culprit+0x16/0x40\n [<d0123556>] caller+0x16/0x40\n",
        "BUG: unable to handle kernel paging request in culprit",
    ),
    "openrisc-hidden-addresses": (
        "Unable to handle kernel NULL pointer dereference at virtual address 0x00000004\n\nOops#: 0000\n"
        "CPU #: 0\n   PC: c0123456    SR: 0000827f    SP: c1821ed0\nStack:\nCall trace:\n"
        "[<(ptrval)>] culprit+0x34/0x60\n[<(ptrval)>] caller+0x34/0x60\n",
        NULL + "culprit",
    ),
    "m68k-trap": (
        "*** ILLEGAL INSTRUCTION ***   FORMAT=0\nCurrent process id is 58\nBAD KERNEL TRAP: 00000000\n"
        "PC: [<0005fbbc>] culprit+0x5c/0xba\nSR: 2000  SP: 8e0c9a7d  a2: 00c3e000\n"
        "Call Trace: [<0005fc34>] caller+0x1a/0x66\n",
        "BAD KERNEL TRAP in culprit",
    ),
    "m68k-bug": (
        "kernel BUG at fs/a.c:123!\n*** TRAP #7 ***   FORMAT=0\nCurrent process id is 58\n"
        "BAD KERNEL TRAP: 00000000\nPC: [<0005fbbc>] culprit+0x5c/0xba\n"
        "Call Trace: [<0005fc34>] caller+0x1a/0x66\n",
        "kernel BUG in culprit",
    ),
    "alpha-bug": (
        "Kernel bug at fs/a.c:12\nCPU 0 \ninit(58): Kernel Bug 1\n"
        "pc = [<fffffc00003d7d90>]  ra = [<fffffc00003d8600>]  ps = 0000    Not tainted\n"
        "pc is at culprit+0x20/0x300\nra is at caller+0x40/0x200\n"
        "Trace:\n[<fffffc0000811e50>] caller+0x40/0x200\n",
        "kernel BUG in culprit",
    ),
    "arm-microcontroller": (
        f"Unhandled exception: IPSR = 00000006 LR = fffffff1\n{CPU}"
        "PC is at culprit+0x10/0x90\nLR is at caller+0x30/0xd0\nxPSR: 6100000b\n",
        "Unhandled exception in culprit",
    ),
    "arm64-unhandled": (
        "Unhandled fault at 0xffffff8008c80000\nInternal error: TLB conflict abort: 96000030 [#1] SMP\n"
        f"{CPU}pc : culprit+0x20/0x50\nlr : caller+0x1/0x20\nCall trace:\n culprit+0x20/0x50\n",
        "Unhandled fault in culprit",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", TITLES)
def test_title_of_what_old_and_rare_kernels_print(name: str) -> None:
    text, title = TITLES[name]
    facts = parse_dump(f"boot\n{text}".encode(), "Panic" if "panic" in name else "Oops", 1)
    assert facts.title == title
    assert parse_console(text.encode()).title == title


def test_a_programs_bus_error_is_no_crash() -> None:
    text = "Data bus error, epc == 00400f2c, ra == 00400f18\nCPU: 0 PID: 58 Comm: a Not tainted\n"
    assert "bus error" not in parse_dump(text.encode(), "Oops", 1).title


#: What one architecture calls what the title looks through on all of them, innermost first.
HELPERS = (
    "__copy_tofrom_user_power7 _copy_to_user",
    "__bzero __copy_user __copy_user_inatomic",
    "fallback_scalar_usercopy _copy_from_iter",
    "NG4memcpy U3copy_from_user GENmemset",
    "copy_from_user_mvcos clear_user_xc pa_memcpy __generic_copy_from_user",
    "__splpar_spin_yield __spin_yield _raw_spin_lock_irq",
    "v7_dma_inv_range dma_cache_maint_page __dma_page_dev_to_cpu arm_dma_unmap_page",
    "__inval_cache_range __swiotlb_unmap_page dcache_inval_poc arch_sync_dma_for_cpu",
    "r4k_dma_cache_inv blast_dcache32 mips_dma_map_sg",
    "swiotlb_bounce swiotlb_tbl_map_single swiotlb_map dma_direct_map_page dma_map_page_attrs",
    "text.lock.spinlock __lock_kernel lock_kernel",
)


@pytest.mark.parametrize("helpers", HELPERS)
def test_an_architectures_helpers_are_looked_through(helpers: str) -> None:
    names = [(name, None) for name in (*helpers.split(), "culprit", "caller")]
    assert first(names) == "culprit"


@pytest.mark.parametrize(
    "place",
    [
        *("copy_user_highpage", "clear_huge_page", "flush_dcache_page", "cache_reap", "free_block"),
        *(
            "regmap_write",
            "swiotlb_init",
            "iommu_dma_alloc",
            "lock_kernel_image",
            "dma_direct_alloc",
        ),
    ],
)
def test_what_only_looks_like_a_helper_is_a_place(place: str) -> None:
    assert first([("memcpy", None), (place, None), ("caller", None)]) == place


def test_a_stall_without_an_activity_is_not_called_after_its_clock() -> None:
    steps = (
        *("show_stack", "watchdog_timer_fn", "hrtimer_interrupt", "twd_handler", "gic_handle_irq"),
        *("__irq_svc", "__do_softirq", "irq_exit", "gic_handle_irq", "__irq_svc"),
        *("cpuidle_enter_state", "cpu_startup_entry"),
    )
    text = "BUG: soft lockup - CPU#0 stuck for 23s! [swapper/0:0]\n" + CPU
    for callee, caller in itertools.pairwise(steps):
        text += f"[<c010f1a0>] ({callee}) from [<c010b2a4>] ({caller}+0x10/0x14)\n"
    assert parse_console(text.encode()).title == "BUG: soft lockup in irq_exit"


def test_a_log_that_names_the_task_in_each_line_has_it_taken_off_in_each() -> None:
    log = (
        "[  12.345678][T1000058] init: [name:traps&]Internal error: Oops: 96000044 [#1] PREEMPT SMP\n"
        "[  12.345678][T1000058] init: pc : culprit+0x5c/0x110\n"
        "[  12.345678][T1000058] kworker/u16:3:  culprit+0x5c/0x110\n"
    )
    assert [line.text for line in split(log.encode())] == [
        "Internal error: Oops: 96000044 [#1] PREEMPT SMP",
        "pc : culprit+0x5c/0x110",
        " culprit+0x5c/0x110",
    ]
    ends = [line.end for line in split(log.encode())]
    assert [log[end] for end in ends] == ["\n"] * 3
    plain = "[  12.345678][   T58] WARNING: CPU: 1 PID: 58 at a.c:1 f+0x1/0x2\n"
    assert split(plain.encode())[0].text.startswith("WARNING: CPU")
