"""Kinds of reports of all ages, each by its first lines and a trace: what developers call them."""

from __future__ import annotations

import re

import pytest

from pstorefs.oops import parse_console, parse_dump, quiet
from pstorefs.oops.lines import split
from pstorefs.oops.reports import split as split_reports

CPU = "CPU: 1 PID: 42 Comm: a task Not tainted 6.1.5 #7\n"
LINE = "-" * 40 + "\n"


def trace(*functions: str) -> str:
    return CPU + "Call Trace:\n" + "".join(f" {one}+0x1/0x2\n" for one in functions)


def old(*functions: str) -> str:
    """A trace of 4.x: addresses, and the unsure ones in between."""
    body = "".join(f" [<ffffffff8143d423>] {one}+0x1/0x2\n" for one in functions)
    return CPU + "Call Trace:\n [<ffffffff81442e2b>] ? ghost+0x1/0x2\n" + body


def warning(place: str, function: str, *functions: str) -> str:
    head = f"WARNING: CPU: 1 PID: 42 at {place} {function}+0x1/0x2\n"
    return "------------[ cut here ]------------\n" + head + trace(*functions)


LOCK = ("dump_stack", "print_bug", "__lock_acquire", "lock_acquire", "_raw_spin_lock", "taker")
HUNG = "INFO: task a:42 blocked for more than 143 seconds.\n"
STALL = "rcu: INFO: rcu_preempt self-detected stall on CPU\n"
ENTRY = ("do_syscall_64", "entry_SYSCALL_64_after_hwframe")
HUNG_AT = "Call Trace:\n __schedule+0x1/0x2\n schedule+0x1/0x2\n {0}+0x1/0x2\n"
TICK = ("print_cpu_stall", "update_process_times", "my_clock_irq", "asm_sysvec_my_clock")
#: How a counter's NMI finds a lockup, and ends: what ran follows.
NMI = ("watchdog_overflow_callback", "__perf_event_overflow", "perf_event_nmi_handler", "do_nmi")
ROWS = [
    # The detector of hard lockups has a warning of its own up to 4.0, panics at once up to 4.19
    (
        "------------[ cut here ]------------\n"
        "WARNING: at kernel/watchdog.c:262 watchdog_overflow_callback+0x1/0x2() (Not tainted)\n"
        "Hardware name: a machine\nWatchdog detected hard LOCKUP on cpu 1\n"
        + old("warn_slowpath_common", *NMI, "nmi", "_spin_lock", "locker"),
        "Watchdog detected hard LOCKUP in locker",
    ),
    *(
        (
            "NMI watchdog: Watchdog detected hard LOCKUP on cpu 1\n"
            "Kernel panic - not syncing: Hard LOCKUP\n" + old("panic", *NMI, into, "waker"),
            "Watchdog detected hard LOCKUP in waker",
        )
        for into in ("nmi", "end_repeat_nmi")
    ),
    # The panic is all that there is of a lockup: its trace shows who found it, and whom
    (
        "Kernel panic - not syncing: Watchdog detected hard LOCKUP on cpu 1\n"
        + old("panic", *NMI, "end_repeat_nmi", "_raw_spin_lock", "spinner"),
        "Watchdog detected hard LOCKUP in spinner",
    ),
    (
        "Kernel panic - not syncing: softlockup: hung tasks\n"
        + trace("panic", "watchdog_timer_fn", "asm_sysvec_apic_timer_interrupt", "spinner"),
        "BUG: soft lockup in spinner",
    ),
    # the processor that found it is not the one that hangs
    (
        "Kernel panic - not syncing: Watchdog detected hard LOCKUP on cpu 1\n"
        + trace("panic", "watchdog_buddy_check_hardlockup", "watchdog_timer_fn", "idler"),
        "kernel panic: Watchdog detected hard LOCKUP on cpu 1",
    ),
    # An exception in what an exception's handler checks: where the first one came
    (
        (
            "kernel BUG at arch/x86/kernel/cet.c:102!\ninvalid opcode: 0000 [#1] SMP\n"
            f"{CPU}RIP: 0010:exc_control_protection+0x1/0x2\nCall Trace:\n"
            " asm_exc_control_protection+0x1/0x2\nRIP: 0010:target+0x1/0x2\n caller+0x1/0x2\n"
        ),
        "kernel BUG in target",
    ),
    # A thread that others give work: the work
    (
        STALL + trace("spin", "compress", "zio_execute", "taskq_thread", "kthread"),
        "INFO: rcu detected stall in compress",
    ),
    (
        STALL + trace("spin", "raid5d", "md_thread", "kthread", "ret_from_fork"),
        "INFO: rcu detected stall in raid5d",
    ),
    (
        HUNG + old("schedule", "io_schedule", "sync_buffer", "__wait_on_bit", "committer"),
        "INFO: task hung in committer",
    ),
    (
        HUNG + old("io_schedule", "sync_page", "sync_page_killable", "__lock_page", "reader"),
        "INFO: task hung in reader",
    ),
    # A warning of a place without a line of source; and in the words of 2.6
    ("WARNING: CPU: 1 PID: 42 at f+0x1/0x2 [m]\n" + trace("f"), "WARNING in f"),
    ("WARNING: at f+0x1/0x2, CPU#1: a/42\n" + trace("f"), "WARNING in f"),
    ("BUG: warning at kernel/a.c:137/f()\n" + old("dump_stack", "f"), "WARNING in f"),
    ("Badness in f at kernel/a.c:137\n" + old("dump_stack", "f"), "WARNING in f"),
    ("Badness at kernel/a.c:137\nNIP [c0001234] .f+0x1/0x2\n" + trace(".f"), "WARNING in f"),
    (
        "Division by zero in kernel.\n" + trace("dump_stack", "__div0", "Ldiv0_64", "divider"),
        "Division by zero in kernel in divider",
    ),
    (
        "VERIFY(a == b) failed\nPANIC at a.c:137:f()\nShowing stack for process 42\n"
        + trace("dump_stack", "spl_panic", "f"),
        "PANIC at a.c:LINE:f()",
    ),
    # The first line says more than those that follow it
    (
        "CFI failure at f+0x1/0x2 (target: g+0x0/0x10; expected type: 0x12345678)\n"
        "WARNING: CPU: 1 PID: 42 at f+0x1/0x2\n" + trace("f", "h"),
        "CFI failure in f",
    ),
    (
        "CFI failure (target: g+0x0/0x10):\n"
        + warning("kernel/cfi.c:29", "__cfi_check_fail", "__cfi_check", "caller"),
        "CFI failure in caller",
    ),
    (
        "BUG: stack guard page was hit at ffffc90000ff7ff8 (stack is ffff..ffff)\n"
        "kernel stack overflow (double-fault): 0000 [#1] SMP\n" + CPU + "RIP: 0010:deep+0x1/0x2\n",
        "BUG: stack guard page was hit in deep",
    ),
    (
        "Alignment trap: not handling instruction e1b20f9f at [<80123456>]\n"
        "Unhandled fault: alignment exception (0x001) at 0x00000001\n"
        "Internal error: : 1 [#1] SMP ARM\n" + CPU + "PC is at loader+0x1/0x2\n",
        "Alignment trap in loader",
    ),
    (
        "BUG: KASAN: use-after-free in user+0x1/0x2 at addr ffff880066b7ac44\nRead of size 4\n"
        "BUG kmalloc-8 (Not tainted): kasan: bad access detected\n" + trace("user"),
        "KASAN: use-after-free Read in user",
    ),
    (
        "BUG: key ffff88801234abcd has not been registered!\n"
        + warning("kernel/locking/lockdep.c:49", "lockdep_init_map_type", "initialiser"),
        "BUG: key has not been registered in initialiser",
    ),
    # What the allocators find: in the words of SLUB and SLAB
    (
        "BUG kmalloc-64 (Not tainted): Poison overwritten\n" + trace("check_object", "victim"),
        "BUG kmalloc-64: Poison overwritten",
    ),
    (
        "BUG kmalloc-64 (Tainted: G    B ): Object already free\n" + trace("kfree", "freer"),
        "BUG kmalloc-64: Object already free in freer",
    ),
    (
        "slab error in verify_redzone_free(): cache `size-64': memory outside object was"
        " overwritten\n" + trace("__slab_error", "cache_free_debugcheck", "kfree", "freer"),
        "slab error in freer",
    ),
    (
        "Slab corruption (Not tainted): size-64 start=ffff88801234abcd, len=64\n",
        "Slab corruption",
    ),
    (
        "Bad page state in process 'a'\npage:c1\n" + old("bad_page", "freer"),
        "BUG: Bad page state in freer",
    ),
    (
        "BUG: atomic counter underflow at:\n" + old("dump_stack", "counter"),
        "BUG: atomic counter underflow in counter",
    ),
    (
        "BUG: rwlock-lockup on CPU#0, a/42, c1234567\n" + old("_raw_write_lock", "taker"),
        "BUG: rwlock-lockup in taker",
    ),
    (
        "BUG: soft lockup detected on CPU#0!\n" + old("softlockup_tick", "f", "sys_x", *ENTRY),
        "BUG: soft lockup in x",
    ),
    (
        "Oops: Machine check, sig: 7 [#1]\n" + CPU + "NIP [c0123456] f+0x1/0x2\n",
        "Machine check in f",
    ),
    # A hang: the owner of the lock is not the task that hangs, nor is what other processors do
    (
        HUNG
        + HUNG_AT.format("victim")
        + "INFO: task a:42 is blocked on a mutex likely owned by task b:43.\n"
        + HUNG_AT.format("synchronize_rcu"),
        "INFO: task hung in victim",
    ),
    # A stall: what the clock interrupted, whatever the clock's functions are called; an idle
    # processor that noticed it is not the one that stalls
    (
        STALL + trace("a_spin", *TICK, "spin", "my_work", "process_one_work"),
        "INFO: rcu detected stall in my_work",
    ),
    (
        STALL
        + trace(*TICK, "do_idle", "cpu_startup_entry")
        + "NMI backtrace for cpu 1\n"
        + trace("spin", "my_work", "process_one_work"),
        "INFO: rcu detected stall in my_work",
    ),
    # 6.18 names the level of the page table
    (
        "BUG: Bad page map in process a  pmd:800000001234\n" + CPU + trace("zap_pmd"),
        "BUG: Bad page map",
    ),
    # of memory that each processor has, since 6.12
    (
        (
            "unreferenced object (percpu) 0x607f8a1b2c30 (size 8):\n"
            "  backtrace:\n    pcpu_alloc_noprof+0x1/0x2\n    my_create+0x1/0x2\n"
        ),
        "memory leak in my_create",
    ),
    # A leak: what allocates for its caller
    (
        (
            "BUG: memory leak\nunreferenced object 0xffff8880 (size 64):\n  backtrace:\n"
            "    sk_prot_alloc+0x1/0x2\n    sk_alloc+0x1/0x2\n    my_create+0x1/0x2\n"
        ),
        "memory leak in my_create",
    ),
    (
        warning("fs/proc/generic.c:718", "remove_proc_entry", "remove_proc_entry", "remover"),
        "WARNING in remove_proc_entry",
    ),
    (
        "BUG: spinlock wrong CPU on CPU#1, a/42\n" + trace("spin_dump", "do_raw_spin_unlock", "f"),
        "BUG: spinlock wrong CPU in f",
    ),
    (
        "BUG: spinlock trylock failure on UP on CPU#0, a/42\n" + trace("spin_dump", "f"),
        "BUG: spinlock trylock failure on UP in f",
    ),
    # Nothing but what prints it is known
    ("BUG: spinlock bad magic on CPU#1, a/42\n" + trace("dump_stack"), "BUG: spinlock bad magic"),
    # 32-bit arm: no header parts the trace from the place before it
    (
        (
            "BUG: sleeping function called from invalid context at a.c:1\n"
            "Preemption disabled at:\n[<80101234>] disabler+0x1/0x2\nCPU: 0 PID: 42 Comm: a\n"
            "[<80101238>] (___might_sleep) from [<80202234>] (mutex_lock+0x1/0x2)\n"
            "[<80202234>] (mutex_lock) from [<80303234>] (sleeper+0x1/0x2)\n"
        ),
        "BUG: sleeping function called from invalid context in sleeper",
    ),
    (
        "BUG: sleeping function called from invalid context at a.c:1\nPreemption disabled at:\n"
        "[<0000000000000000>] 0x0\n" + trace("___might_sleep", "sleeper"),
        "BUG: sleeping function called from invalid context in sleeper",
    ),
    # The lock of a socket is the subject: who takes it is looked for
    (
        "INFO: trying to register non-static key.\n"
        + trace("register_lock_class", "_raw_spin_lock_bh", "lock_sock_nested", "closer"),
        "INFO: trying to register non-static key in closer",
    ),
    (
        "BUG: spinlock bad magic on CPU#0, a/42\n"
        + trace("spin_dump", "do_raw_spin_lock", "_raw_spin_lock_bh", "release_sock", "closer"),
        "BUG: spinlock bad magic in closer",
    ),
    # Somebody has cut off the offsets
    (
        "BUG: KASAN: use-after-free in kasan_oob [m]\nRead of size 8 at addr ffff by task a/42\n"
        + trace("dump_stack"),
        "KASAN: use-after-free Read in kasan_oob",
    ),
    # arm64 before 5.11
    (
        "Unable to handle kernel access to user memory with fs=KERNEL_DS at virtual address 18\n"
        "Internal error: Accessing user space memory with fs=KERNEL_DS: 96000004 [#1] SMP\n"
        + CPU
        + "pc : f+0x1/0x2\n",
        "BUG: unable to handle kernel access to user memory in f",
    ),
    # With CONFIG_DEBUG_KOBJECT there are such lines between those of any report
    (
        "WARNING: CPU: 1 PID: 42 at net/a.c:4 f+0x1/0x2\nkobject: 'loop0' (ffff8801): "
        "kobject_uevent_env\n" + trace("f"),
        "WARNING in f",
    ),
    (
        "------------[ cut here ]------------\n"
        "kobject: '(null)' (ffff8801): is not initialized, yet kobject_get() is being called.\n"
        "WARNING: lib/a.h:1 at 0x0\n" + trace("kobject_get", "getter"),
        "WARNING: kobject bug in getter",
    ),
    (
        warning("kernel/locking/lockdep.c:6", "lockdep_unregister_key", "destroyer"),
        "WARNING in lockdep_unregister_key",
    ),
    # A fault of a program is a place where tasks hang and sleep
    (
        HUNG + trace("__schedule", "schedule", "down_read", "do_user_addr_fault", *ENTRY),
        "INFO: task hung in do_user_addr_fault",
    ),
    # Architectures that have no instruction for BUG(); and the panic that is its end
    (
        "BUG: failure at mm/a.c:12/culprit()!\n"
        "Kernel panic - not syncing: BUG!\n" + trace("panic", "culprit"),
        "kernel BUG in culprit",
    ),
    # A hang at a socket's lock is called after what takes it; a label stands for the scheduler
    (
        HUNG + trace("__schedule", "schedule", "__lock_sock", "lock_sock_nested", "closer"),
        "INFO: task hung in lock_sock_nested",
    ),
    (
        HUNG + trace("__sched_text_start", "schedule", "srcu_barrier", "victim", *ENTRY),
        "INFO: task hung in victim",
    ),
    # A stall in what a socket's connect does, or in a message's method: after that
    (
        STALL + trace("spin", "tcp_v4_connect", "my_connect", "__sys_connect", *ENTRY),
        "INFO: rcu detected stall in my_connect",
    ),
    (
        STALL + trace("spin", "my_policy", "xfrm_user_rcv_msg", "netlink_rcv_skb", *ENTRY),
        "INFO: rcu detected stall in my_policy",
    ),
    # The lock's place is in the next line, with a foreign one between
    (
        (
            f"WARNING: bad unlock balance detected!\n{LINE}a/1 is trying to release lock (x) at:\n"
            "usb 1-1: new device\n[<ffff8100>] giver+0x1/0x2\n"
        ),
        "WARNING: bad unlock balance in giver",
    ),
    # The same with what a program prints on the same console
    (
        (
            f"WARNING: bad unlock balance detected!\n{LINE}a/1 is trying to release lock (x) at:\n"
            "executing program 3:\nr0 = socket(1, 2)\nclose(r0)\n\n[<ffff8100>] giver+0x1/0x2\n"
            + trace("dump_stack", "outer")
        ),
        "WARNING: bad unlock balance in giver",
    ),
    # A hang: what takes one lock is looked through, what takes two is a place
    (
        HUNG + trace("__schedule", "down_write", "lock_mount", *ENTRY),
        "INFO: task hung in lock_mount",
    ),
    (HUNG + trace("__schedule", "synchronize_srcu", "victim"), "INFO: task hung in victim"),
    (HUNG + trace("__schedule", "__closure_sync", "victim"), "INFO: task hung in victim"),
    (HUNG + trace("__schedule", "tree_lock", "victim"), "INFO: task hung in victim"),
    # what is called after a caller that has the lock already
    (HUNG + trace("__schedule", "mutex_lock", "work_locked"), "INFO: task hung in work_locked"),
    # Lustre's own, the same words for each of its assertions
    (
        "Kernel panic - not syncing: LBUG\n" + trace("panic", "lbug_with_loc", "asserter"),
        "kernel panic: LBUG in asserter",
    ),
    (warning("arch/x86/a.c:3", "__warn_thunk", "warn_thunk_thunk", "f"), "WARNING in f"),
    # A stall: a file's method, also where a page fault or an open calls it; what idles; a thread
    (
        STALL + trace("spin", "shmem_fault", "__do_fault", "exc_page_fault"),
        "INFO: rcu detected stall in shmem_fault",
    ),
    (
        STALL + trace("spin", "security_file_open", "do_dentry_open", "path_openat", *ENTRY),
        "INFO: rcu detected stall in security_file_open",
    ),
    (
        STALL + trace("default_idle", "do_idle", "cpu_startup_entry"),
        "INFO: rcu detected stall in do_idle",
    ),
    (
        STALL + trace("spin", "io_wq_worker", "ret_from_fork"),
        "INFO: rcu detected stall in io_wq_worker",
    ),
    # What cannot be allocated, and who asked for it
    (
        warning("mm/util.c:597", "kvmalloc_node", "kvmalloc_node", "asker"),
        "WARNING: kmalloc bug in asker",
    ),
    (
        warning("mm/slab_common.c:12", "kmalloc_slab", "kmalloc_slab", "__kmalloc", "asker"),
        "WARNING: kmalloc bug in asker",
    ),
    (
        warning("drivers/usb/core/urb.c:5", "usb_submit_urb", "usb_start_wait_urb", "sender"),
        "WARNING in sender/usb_submit_urb",
    ),
    # A deadlock is called after where the lock is taken, though that only takes locks
    (
        f"WARNING: possible circular locking dependency detected\n{LINE}"
        "a/1 is trying to acquire lock:\nffff (x){+.+.}, at: __flush_work+0x1/0x2\n"
        + trace("__lock_acquire", "__flush_work", "caller"),
        "possible deadlock in __flush_work",
    ),
    (
        "BUG: workqueue leaked atomic, lock or RCU: kworker/0:1[42]\n"
        "     preempt=0x00000001 lock=0->0 RCU=0->0 workfn=leaker\n" + trace("process_one_work"),
        "BUG: workqueue leaked atomic, lock or RCU in leaker",
    ),
    # Who finds a bad page table has not made it
    (
        "BUG: Bad page map in process a  pte:80 pmd:1\n" + trace("unmap_page_range"),
        "BUG: Bad page map",
    ),
    ("BUG: non-zero nr_ptes on freeing mm: 1\n", "BUG: non-zero nr_ptes on freeing mm"),
    (
        "BUG: non-zero pgtables_bytes on freeing mm: -16384\n",
        "BUG: non-zero pgtables_bytes on freeing mm: NUM",
    ),
    (
        "Kernel panic - not syncing: Couldn't open N_TTY ldisc for ptm1 --- error -12.\n",
        "kernel panic: Couldn't open N_TTY ldisc",
    ),
    (
        "BUG: please report => at net/a/b.c:414/f()\n" + trace("f"),
        "BUG: please report => at net/a/b.c:LINE/f()",
    ),
    # Lock checking, in the words of 2.6.32 to 4.11, and since
    (
        (
            f"[ BUG: bad unlock balance detected! ]\n{LINE}a/1 is trying to release lock (x) at:\n"
            "[<ffff8100>] giver+0x1/0x2\n"
        ),
        "BUG: bad unlock balance in giver",
    ),
    (
        (
            f"WARNING: bad unlock balance detected!\n{LINE}a/1 is trying to release lock (x) at:\n"
            "[<0000000000000000>] giver+0x1/0x2 a.c:12\n"
        ),
        "WARNING: bad unlock balance in giver",
    ),
    (
        (
            f"[ INFO: possible irq lock inversion dependency detected ]\n{LINE}"
            "a/1 just changed the state of lock:\n (x){+.-.}, at: [<ffff8100>] taker+0x1/0x2\n"
        ),
        "possible deadlock in taker",
    ),
    (
        (
            f"WARNING: SOFTIRQ-safe -> SOFTIRQ-unsafe lock order detected\n{LINE}"
            "a/1 [HC0[0]:SC0[2]] is trying to acquire:\nffff (b){+.+.}, at: late+0x1/0x2\n"
            "but this new dependency connects a SOFTIRQ-irq-safe lock:\n (a){+.-.}\n"
            "... which became SOFTIRQ-irq-safe at:\n  lock_acquire+0x1/0x2\n"
            "  _raw_spin_lock+0x1/0x2\n"
            "  early+0x1/0x2\n  outer+0x1/0x2\nto a SOFTIRQ-irq-unsafe lock:\n"
        ),
        "possible deadlock in early",
    ),
    (
        f"[ INFO: inconsistent lock state ]\n{LINE}a/1 takes:\n (x){{?.-.}}, at: other+0x1/0x2\n"
        + trace(*LOCK),
        "inconsistent lock state in taker",
    ),
    (
        f"[ INFO: suspicious RCU usage. ]\n{LINE}a.c:1 suspicious rcu_dereference_check() usage!\n"
        + old("dump_stack", "lockdep_rcu_suspicious", "reader"),
        "INFO: suspicious RCU usage in reader",
    ),
    (
        f"[ BUG: held lock freed! ]\n{LINE}a/1 is freeing memory 1-2, with a lock still held!\n"
        " (x){+.+.}, at: [<ffff8100>] holder+0x1/0x2\n" + old("dump_stack", "kfree", "f"),
        "BUG: held lock freed in holder",
    ),
    (
        (
            f"[ BUG: a task/42 still has locks held! ]\n{LINE}1 lock held by a task/42:\n"
            " #0:  (x){+.+.}, at: [<ffff8100>] holder+0x1/0x2\n"
        ),
        "BUG: still has locks held in holder",
    ),
    (
        (
            f"[ BUG: lock held when returning to user space! ]\n{LINE}a/1 is leaving with locks"
            " still held!\n1 lock held by a/1:\n #0:  (x){+.+.}, at: [<ffff8100>] holder+0x1/0x2\n"
        ),
        "BUG: lock held when returning to user space in holder",
    ),
    (
        warning("kernel/locking/lockdep.c:34", "lock_release", *LOCK),
        "WARNING: locking bug in taker",
    ),
    (
        "INFO: trying to register non-static key.\n" + trace(*LOCK),
        "INFO: trying to register non-static key in taker",
    ),
    # Stalls and hangs
    (
        "INFO: rcu_sched detected expedited stalls on CPUs/tasks: { 1-... } 9 jiffies s: 1\n"
        + trace("spin", "my_work", "process_one_work"),
        "INFO: rcu detected stall in my_work",
    ),
    (
        (
            "NMI watchdog: BUG: soft lockup - CPU#1 stuck for 22s! [a:b:42]\n"
            "CPU: 1 PID: 42 Comm: a:b\n"
            "RIP: 0010:spin+0x1/0x2\nCall Trace:\n my_timer+0x1/0x2\n call_timer_fn+0x1/0x2\n"
        ),
        "BUG: soft lockup in my_timer",
    ),
    (
        "INFO: task a:b:42 blocked for more than 120 seconds.\n"
        + trace("__schedule", "schedule", "rtnl_lock", "victim"),
        "INFO: task hung in rtnl_lock",
    ),
    (
        "INFO: task a:42 blocked for more than 120 seconds.\n"
        + trace("__schedule", "io_schedule", "__filemap_fdatawait_range", "sync_it"),
        "INFO: task hung in sync_it",
    ),
    (
        "INFO: task \x01\x02\n\x03:42 blocked for more than 120 seconds.\n"
        + trace("__schedule", "schedule", "wait_for_completion", "closer"),
        "INFO: task hung in closer",
    ),
    (
        "INFO: task a:42 can't die for more than 143 seconds.\n" + trace("schedule", "holder"),
        "INFO: task can't die in holder",
    ),
    (
        "BUG: workqueue lockup - pool cpus=0 node=0 flags=0x0 nice=0 stuck for 32s!\n",
        "BUG: workqueue lockup",
    ),
    # Checkers of memory
    (
        "BUG: KASan: use after free in user+0x1/0x2 at addr ffff8800b8db4940\nRead of size 8\n",
        "KASAN: use-after-free Read in user",
    ),
    (
        "BUG: KASAN: invalid-access in user+0x1/0x2\nRead at addr f0ff000027080260 by task a/1\n",
        "KASAN: invalid-access Read in user",
    ),
    ("BUG: KASAN: double-free or invalid-free in user+0x1/0x2\n\n", "KASAN: invalid-free in user"),
    (
        (
            "BUG: KASAN: null-ptr-deref in instrument_atomic_read b.h:68 [inline]\n"
            "BUG: KASAN: null-ptr-deref in atomic_read c.h:27 [inline]\n"
            "BUG: KASAN: null-ptr-deref in user+0x1/0x2 a.c:99\n"
            "Write of size 4 at addr 0 by task a/1\n"
        ),
        "KASAN: null-ptr-deref Write in user",
    ),
    (
        (
            "BUG: KMSAN: kernel-infoleak in _copy_to_user+0x1/0x2\n _copy_to_user+0x1/0x2\n"
            " leaker+0x1/0x2\n\nUninit was created at:\n other+0x1/0x2\n"
        ),
        "KMSAN: kernel-infoleak in leaker",
    ),
    ("BUG: KCSAN: data-race in __x64_sys_a / b.isra.0\n", "KCSAN: data-race in sys_a / b"),
    (
        "WARNING: [!ok || (a->b[1] > 2)] net/a.c:12 at warner+0x1/0x2, CPU#0: a/1\n"
        f"{CPU}RIP: 0010:warner+0x1/0x2\n" + trace("outer"),
        "WARNING in warner",
    ),
    (
        f"WARNING: [{'x' * 90}] lib/refcount.c:28 at refcount_warn_saturate+0x1/0x2, CPU#0: a/1\n"
        f"{CPU}RIP: 0010:refcount_warn_saturate+0x1/0x2\n" + trace("user"),
        "WARNING: refcount bug in user",
    ),
    ("BUG: KFENCE: use-after-free read in user+0x1/0x2\n", "KFENCE: use-after-free in user"),
    (
        "BUG: Double free or freeing an invalid pointer\nUnexpected shadow byte: 0xFB\n"
        + trace("kasan_report_double_free", "kasan_slab_free", "kfree", "freer"),
        "KASAN: invalid-free in freer",
    ),
    ("BUG: KFENCE: invalid read in user+0x1/0x2\n", "KFENCE: invalid read in user"),
    (
        "UBSAN: shift out of bounds at shifter+0x1/0x2\nOops: invalid opcode: 0000 [#1] SMP\n"
        f"{CPU}RIP: 0010:shifter+0x1/0x2\n" + trace("outer"),
        "UBSAN: shift-out-of-bounds in shifter",
    ),
    (
        "Internal error: UBSAN: array index out of bounds: 00000000f2005512 [#1] SMP\n"
        f"{CPU}pc : indexer+0x1/0x2\nlr : indexer+0x1/0x2\n" + trace("outer"),
        "UBSAN: array-index-out-of-bounds in indexer",
    ),
    (
        "Oops: Oops: 0000 [#1] SMP\n"
        f"{CPU}RIP: 0010:bpf_prog_2c29ac5cdc6b1842_filter+0x1/0x2\n" + trace("outer"),
        "Oops in bpf_prog_ADDR_filter",
    ),
    (
        "UBSAN: Undefined behaviour in a.c:1:2\n"
        + old("dump_stack", "ubsan_epilogue", "__ubsan_handle_shift_out_of_bounds", "shifter"),
        "UBSAN: undefined-behaviour in shifter",
    ),
    (
        (
            'BUG: memory leak\nunreferenced object 0xffff8880 (size 240):\n  comm "a", pid 1\n'
            "  backtrace (crc 1234abcd):\n    kmem_cache_alloc_node_noprof+0x1/0x2\n"
            "    __alloc_skb+0x1/0x2\n    leaker+0x1/0x2\n"
        ),
        "memory leak in leaker",
    ),
    (
        (
            'unreferenced object 0xffff8880 (size 64):\n  comm "a", pid 1\n  backtrace:\n'
            "    [<00000000ff3ccf22>] kmalloc+0x1/0x2\n    [<00000000ff3ccf22>] leaker+0x1/0x2\n"
        ),
        "memory leak in leaker",
    ),
    (
        "BUG: Bad page state in process a  pfn:1\npage dumped because: nonzero\n"
        "page last allocated via order 0\n post_alloc_hook+0x1/0x2\n"
        " prep_new_page mm/page_alloc.c:3 [inline]\n owner+0x1/0x2 net/a.c:1\n"
        "page last free stack trace:\n free_unref_page+0x1/0x2\n" + trace("bad_page", "victim"),
        "BUG: Bad page state in owner",
    ),
    (
        "kernel BUG at mm/usercopy.c:102!\ninvalid opcode: 0000 [#1] SMP\n"
        + trace("__check_object_size", "copier"),
        "BUG: bad usercopy in copier",
    ),
    # Warnings that say more than their place
    (
        "Bad or missing usercopy whitelist?\n"
        + warning("mm/usercopy.c:83", "usercopy_warn", "__check_object_size", "copier"),
        "WARNING: bad usercopy in copier",
    ),
    (
        warning("mm/vmalloc.c:31", "__vmalloc_node_range", "vmalloc_user", "asker"),
        "WARNING: zero-size vmalloc in asker",
    ),
    (
        warning("drivers/usb/core/urb.c:4", "usb_submit_urb", "driver_open"),
        "WARNING in driver_open/usb_submit_urb",
    ),
    (
        warning("mm/page_alloc.c:4", "__alloc_frozen_pages_noprof", "__kmalloc_noprof", "asker"),
        "WARNING in asker",
    ),
    (
        "WARNING: lib/debugobjects.c:6 at 0x0, CPU#1: a/42\n" + trace("kfree", "freer"),
        "WARNING: ODEBUG bug in freer",
    ),
    (
        "WARNING: kernel stack regs at ffff8801 in a task:42 has bad 'bp' value           (null)\n",
        "WARNING: kernel stack regs has bad 'bp' value",
    ),
    (
        "WARNING: kernel stack frame pointer at ffff8800 in a:1 has bad value ffffffff85632fb0\n",
        "WARNING: kernel stack frame pointer has bad value",
    ),
    # Faults
    (
        "stack segment: 0000 [#1] SMP\n" + CPU + "RIP: 0010:user+0x1/0x2\n",
        "stack segment fault in user",
    ),
    (
        "a: Corrupted page table at address 7f00\nPGD 1 P4D 1 PUD 80000000a0000225 BAD\n"
        "Oops: Bad pagetable: 000d [#1] SMP\n" + CPU + "RIP: 0010:user+0x1/0x2\n",
        "Bad pagetable in user",
    ),
    (
        "Kernel ade access[#1]:\n" + CPU + "  ERA: 9000000003d2d1e4 user+0x1/0x2\n",
        "Kernel ade access in user",
    ),
    (
        "BUG: Unable to handle kernel data access at 0x8000000041a25f20\nOops: Kernel access of bad"
        " area, sig: 11 [#1]\n" + CPU + "NIP [c00000000022d79c] user+0x1/0x2\n",
        "BUG: unable to handle kernel paging request in user",
    ),
    (
        "BUG: unable to handle page fault for address: fff1\nOops: 0000 [#1] SMP\n"
        + CPU
        + "RIP: 0010:do_raw_spin_lock+0x1/0x2\nCall Trace:\n lock_timer_base+0x1/0x2\n"
        " __mod_timer+0x1/0x2\n user+0x1/0x2\n",
        "BUG: unable to handle kernel paging request in user",
    ),
    (
        "BUG: spinlock lockup suspected on CPU#0, a/1\n"
        + trace("spin_dump", "do_raw_spin_lock", "_raw_spin_lock", "taker"),
        "BUG: spinlock lockup suspected in taker",
    ),
    (
        "BUG: using __this_cpu_add() in preemptible [00000000] code: a/1\n"
        "caller is __this_cpu_preempt_check+0x1/0x2\n"
        + trace("dump_stack", "check_preemption_disabled", "__this_cpu_preempt_check", "user"),
        "BUG: using __this_cpu_add() in preemptible code in user",
    ),
    # File systems, panics
    (
        "VFS: Busy inodes after unmount of sda1 (ext4)\n",
        "VFS: Busy inodes after unmount (use-after-free)",
    ),
    ("VFS: Close: file count is 0 (f_op=x)\n", "VFS: Close: file count is zero (use-after-free)"),
    (
        "BUG: Dentry ffff88{i=0,n=a}  still in use (1) [unmount of ramfs ramfs]\n",
        "BUG: Dentry still in use in unmount",
    ),
    (
        "Kernel panic - not syncing: EXT4-fs (device sda1): panic forced after error 1234567\n",
        "kernel panic: EXT4-fs (device sda1): panic forced after error NUM",
    ),
    ("Kernel panic - not syncing: panic_on_warn set ...\n", "kernel panic: panic_on_warn set"),
    # Rust
    (
        "rust_kernel: panicked at a/b.rs:1:2:\nindex out of bounds\n"
        "------------[ cut here ]---------"
        "---\nkernel BUG at rust/helpers/bug.c:7!\nOops: invalid opcode: 0000 [#1] SMP\n"
        + CPU
        + "RIP: 0010:rust_helper_BUG+0x1/0x2\nCall Trace:\n"
        " _RNvCs1_7___rustc17rust_begin_unwind+0x1/0x2\n"
        " _RNvNtCs1_4core9panicking9panic_fmt+0x1/0x2\n"
        " _RNvMs0_NtC6driver3devNtB5_3Dev5probe+0x1/0x2\n",
        "index out of bounds in <driver::dev::Dev>::probe",
    ),
    (
        "rust_kernel: panicked at 'no room', a.rs:1:2\n" + trace("rust_begin_unwind_helper"),
        "no room in rust_begin_unwind_helper",
    ),
]


@pytest.mark.parametrize(("text", "title"), ROWS, ids=[row[1] for row in ROWS])
def test_report_is_called_what_developers_call_it(text: str, title: str) -> None:
    assert parse_console(text.encode("latin-1")).title == title


@pytest.mark.parametrize(
    "text",
    [
        "Oops, I forgot the link [#12]\nand BUG: 12 in the tracker\n",
        "Oops: the fix of issue [#12]\n",
        "BUG: this is what people write at the beginning of a line\n",
        "as measured (see [#4711] for more)\n",
        "Unable to handle the request at this time\n",
        "WARNING: at least one of them is wrong\nINFO: task force wanted\n",
        "usb 1-1: Unhandled fault: overcurrent\nUnhandled fault: page domain fault (0x81b) at 0\n",
        "> Kernel panics are not what I like\nKernel Fault: none\n",
    ],
)
def test_what_people_and_programs_write_is_no_report(text: str) -> None:
    assert split_reports(split(text.encode())) == []


def key(text: str) -> str:
    return parse_console(text.encode()).signature


@pytest.mark.parametrize(
    ("frames", "title"),
    [
        (("__schedule", "schedule"), "INFO: task hung"),
        (("__switch_to", "__schedule", "schedule"), "INFO: task hung"),
        (
            ("context_switch", "__schedule", "schedule", "do_wait", "kthread"),
            "INFO: task hung in do_wait",
        ),
    ],
)
def test_a_hang_is_never_called_after_the_scheduler(frames: tuple[str, ...], title: str) -> None:
    text = "INFO: task a:1 blocked for more than 120 seconds.\n" + trace(*frames)
    facts = parse_console(text.encode())
    assert facts.title == title
    assert bool(facts.signature) == (title != "INFO: task hung")


def test_signature_is_null_where_it_would_be_that_of_other_bugs() -> None:
    assert key("BUG: sleeping function called from invalid context at a.c:1\n") == ""
    assert key("INFO: task a:1 blocked for more than 120 seconds.\n" + CPU) == ""
    assert parse_console(("Oops: 0000 [#1]\n" + trace("kthread")).encode()).stack == ""


@pytest.mark.parametrize(
    "message", ["Fatal exception in interrupt", "panic_on_warn set ...", "softlockup: hung tasks"]
)
def test_a_panic_that_only_says_that_there_was_a_bug_has_no_signature(message: str) -> None:
    facts = parse_console(f"Kernel panic - not syncing: {message}\n".encode())
    assert (facts.signature, facts.error_class) == ("", "panic")
    assert key("Kernel panic - not syncing: Attempted to kill init! exitcode=0x0000000b\n") != ""
    assert key(f"{HUNG}{trace('f')}Kernel panic - not syncing: {message}\n") != ""


#: One panic in the words of several machines and kernels; what it is called.
ONE_PANIC = {
    "VFS: Unable to mount root fs on unknown-block(0,0)": (
        "VFS: Unable to mount root fs on unknown-block(0,0)",
        'VFS: Unable to mount root fs on "UUID=12ab-34cd" or unknown-block(0,0)',
        'VFS: Unable to mount root fs on "" or unknown-block(0,0)',
    ),
    "No working init found": (
        "No working init found.  Try passing init= option to kernel. See a.txt for guidance.",
        "No working init found.  Try passing init= option to kernel. See b/c.rst for guidance.",
    ),
    "a timer doesn't work!": ("a timer doesn't work!  Boot with debug and send a report.",),
    "BTRFS panic (device sda2 state E): no room": (
        "BTRFS panic (device sda2 state E): no room",
        "BTRFS panic (device dm-0): no room",
    ),
}


@pytest.mark.parametrize("title", ONE_PANIC)
def test_one_panic_has_one_signature_whatever_the_kernel_advises(title: str) -> None:
    facts = [
        parse_console(f"Kernel panic - not syncing: {one}\n".encode()) for one in ONE_PANIC[title]
    ]
    assert facts[0].title == f"kernel panic: {title}"
    assert len({each.signature for each in facts}) == 1
    assert facts[0].signature
    assert facts[0].panic == " ".join(ONE_PANIC[title][0].split())  # the message is kept whole


def test_a_fault_of_user_mode_linux_has_no_signature_as_its_panic_does_not_say_where() -> None:
    for message in ("Kernel mode fault at addr 0x10, ip 0x600a1b2c", "Segfault with no mm"):
        assert key(f"Kernel panic - not syncing: {message}\n") == ""


def test_signature_leaves_out_devices_addresses_sizes_and_tasks() -> None:
    panics = [
        f"Kernel panic - not syncing: EXT4-fs (device {disk}): panic forced after error {n}\n"
        for disk, n in (("sda1", 5), ("nvme0n1p2", 117))
    ]
    assert len({key(text) for text in panics}) == 1
    stuck = "BUG: soft lockup - CPU#{0} stuck for {0}s! [a{0}:{0}]\n" + trace("spin", "kthread")
    assert key(stuck.format(1)) == key(stuck.format(27)) != ""


def test_path_is_the_first_functions_after_the_machinery() -> None:
    head = "BUG: sleeping function called from invalid context at a.c:1\n"
    one = parse_console((head + trace("dump_stack", "one.isra.0", "two", "three")).encode())
    same = parse_console((head + old("one.cold", "two", "three")).encode())
    other = parse_console((head + trace("dump_stack", "one", "four", "three")).encode())
    assert one.signature == same.signature == other.signature
    assert one.stack == same.stack != other.stack
    assert one.stack.startswith("2:")


def decoded(text: str) -> str:
    """What decode_stacktrace.sh makes of it: the source in place of the offsets."""
    return re.sub(r"\+0x1/0x2", " (net/a.c:12 (discriminator 3))", text)


DECODED = [row for row in ROWS if "+0x1/0x2" in row[0] and "_R" not in row[0]]


@pytest.mark.parametrize(("text", "title"), DECODED, ids=[row[1] for row in DECODED])
def test_a_report_that_somebody_decoded_has_the_same_title(text: str, title: str) -> None:
    assert parse_console(decoded(text).encode("latin-1")).title == title
    flat = re.sub(r"(?m)^ +(?=\S+ \(net)", "", decoded(text))  # older scripts drop the blanks
    assert parse_console(flat.encode("latin-1")).title == title


@pytest.mark.parametrize(
    "function", ["raw_sendmsg", "rate_control_init", "epc_probe", "PCIe_link", "RIPEMD_init"]
)
def test_a_decoded_frame_is_no_register_whatever_its_function_begins_with(function: str) -> None:
    text = f"BUG: KASAN: use-after-free in memcpy+0x1/0x2\nCall Trace:\n {function}+0x1/0x2\n"
    title = f"KASAN: use-after-free in {function}"
    for form in (text + " outer+0x1/0x2\n", decoded(text + " outer+0x1/0x2\n")):
        assert parse_console(form.encode()).title == title


def test_what_was_inlined_is_no_caller_and_the_module_comes_after_the_source() -> None:
    # as syzkaller decodes
    inlined = "inlined include/linux/a.h:3 [inline]\n"
    text = "BUG: using smp_processor_id() in preemptible [00000000] code: a/1\n"
    text += f"caller is {inlined}caller is user+0x1/0x2 net/a.c:12\nCall Trace:\n"
    assert parse_console((text + " outer+0x1/0x2\n").encode()).function == "user"
    arm64 = "Unable to handle kernel NULL pointer dereference at virtual address 0000000000000008\n"
    arm64 += f"pc : memcpy+0x1/0x2 lib/a.c:1\nlr : {inlined}lr : user+0x1/0x2 net/a.c:12\n"
    assert parse_console(f"{arm64}Call trace:\n outer+0x1/0x2\n".encode()).function == "user"
    text = "BUG: KASAN: use-after-free in kasan_oob+0x1/0x2 lib/a.c:12 [kasan_test]\nCall Trace:\n"
    for frame in ("kasan_oob+0x1/0x2 lib/a.c:12 [kasan_test]", "kasan_oob+0x1/0x2 [kasan_test]"):
        facts = parse_console(f"{text} {frame}\n outer+0x1/0x2\n".encode())
        assert (facts.function, facts.trace[0].module) == ("kasan_oob", "kasan_test")


SLUB = (
    "BUG kmalloc-64 (Not tainted): Right Redzone overwritten\n"
    "Allocated in owner+0x1/0x2 age=3 cpu=0 pid=1\n\tkmalloc+0x1/0x2\n\towner+0x1/0x2\n"
    "Freed in freer+0x1/0x2 age=3 cpu=0 pid=1\n\tkfree+0x1/0x2\n\tfreer+0x1/0x2\n"
    "Object   ffff88802c4d1e00: 6b 6b 6b 6b 6b 6b 6b 6b  kkkkkkkk\n"
)


def test_who_finds_a_damaged_object_is_in_the_warning_at_the_end() -> None:
    warning = "------------[ cut here ]------------\n"
    warning += "WARNING: CPU: 0 PID: 1 at {}:1171 {}+0x1/0x2\nRIP: 0010:{}+0x1/0x2\n"
    own = warning.format("mm/slub.c", "object_err", "object_err")  # since 6.15
    for end in (own, CPU):
        facts = parse_console((SLUB + end + trace("check_object", "kfree", "finder")).encode())
        assert facts.title == "BUG kmalloc-64: Right Redzone overwritten in finder"
        assert facts.others == ()
    other = warning.format("net/a.c", "noisy", "noisy") + trace("outer")
    text = "".join(f"[    1.000000][    T1] {line}\n" for line in (SLUB + other).splitlines())
    facts = parse_console(text.encode())
    assert facts.title == "BUG kmalloc-64: Right Redzone overwritten"  # owner has not found it
    assert [one.title for one in facts.others] == ["WARNING in noisy"]


def test_a_stall_that_shows_only_who_waits_for_the_stalled_has_no_function() -> None:
    text = "rcu: INFO: rcu_preempt detected stalls on CPUs/tasks:\nrcu: \t1-...!: (1 GPs behind)\n"
    text += "rcu: RCU grace-period kthread stack dump:\ntask:rcu_preempt state:I stack:0 pid:16\n"
    for inner in ("", "__switch_to "):
        names = (
            f"{inner}__schedule schedule schedule_timeout rcu_gp_fqs_loop rcu_gp_kthread kthread"
        )
        facts = parse_console((text + trace(*names.split())).encode())
        assert (facts.title, facts.signature) == ("INFO: rcu detected stall", "")
    idle = text + trace(*names.split()) + "NMI backtrace for cpu 1\n" + trace("loop", "my_timer")
    assert parse_console(idle.encode()).function == "loop"


WORK = "Workqueue: events_unbound my_work [mod] (8:0)\n"
#: Stalls whose trace names nobody: of a task that runs arm64 shows no more.
NAMELESS = (
    ("rcu: INFO: rcu_preempt detected stalls on CPUs/tasks:\nTask dump for CPU 3:\n",
     "Call trace:\n __switch_to+0x1/0x2\n 0xffffff8040f1a8c0\n", "INFO: rcu detected stall"),
    ("watchdog: BUG: soft lockup - CPU#3 stuck for 23s! [kworker/3:1:88]\n",
     "RIP: 0010:0xffffffffc0a2b3c4\nCall Trace:\n <TASK>\n ret_from_fork+0x1/0x2\n",
     "BUG: soft lockup"),
)  # fmt: skip


@pytest.mark.parametrize(("head", "rest", "title"), NAMELESS)
def test_a_stall_whose_trace_names_nobody_is_called_after_its_work(
    head: str, rest: str, title: str
) -> None:
    assert parse_console(f"{head}{WORK}{rest}".encode()).title == f"{title} in my_work"
    # what works on another processor is none of it
    assert parse_console(f"{head}{rest}{WORK}".encode()).title == title


def test_a_warning_with_a_message_is_called_after_who_warned() -> None:
    # 6.19 on x86-64: where it traps is one function for all
    head = "WARNING: net/a.c:12 at {}+0x1/0x2, CPU#0: a/1\nRIP: 0010:__WARN_trap+0x1/0x2\n"
    for where in ("__WARN_trap", "warner"):
        text = head.format(where) + "Call Trace:\n warner+0x1/0x2\n outer+0x1/0x2\n"
        assert parse_console(text.encode()).title == "WARNING in warner"


def test_frames_whose_offsets_are_cut_off_are_frames() -> None:
    head = "Oops: 0000 [#1] SMP\n" + CPU + "RIP: 0010:memcpy\nCall Trace:\n <TASK>\n"
    facts = parse_console(
        (head + " ? ghost\n kfree\n driver_write [driver]\n vfs_write\n").encode()
    )
    assert facts.title == "Oops in driver_write"
    assert [frame.function for frame in facts.trace if frame.reliable] == [
        *("kfree", "driver_write", "vfs_write")
    ]


def test_what_programs_print_between_the_lines_of_a_report_does_not_end_it() -> None:
    head = "[    1.000000] BUG: KASAN: use-after-free in memcpy+0x1/0x2\n[    1.0] Call Trace:\n"
    tail = "[    1.000002]  memcpy+0x1/0x2\n[    1.000003]  user+0x1/0x2\n"
    for text in ("open(file)\n" * 200, "\n" * 900):
        assert parse_console((head + text + tail).encode()).function == "user"
    far = "[    2.000000] usb 1-1: new device\n" * 70
    assert parse_console((head + far + tail).encode()).function == "memcpy"


NOISE = b"".join(
    b"[%5d.000001] usb 1-1: new device %d, a line that every boot has\n" % (n, n)
    for n in range(2000)
)


@pytest.mark.parametrize(("text", "title"), ROWS, ids=[row[1] for row in ROWS])
def test_a_report_in_a_long_log_is_the_same_as_alone(text: str, title: str) -> None:
    alone = parse_console(text.encode("latin-1"))
    within = parse_console(NOISE + text.encode("latin-1") + NOISE)
    assert len(NOISE) > quiet.LONG // 2
    assert (within.title, within.signature, within.trace) == (title, alone.signature, alone.trace)
    assert (within.first_time, within.last_time) == (1, 1_999_000_001)
    assert alone.span is not None
    assert within.span is not None
    assert within.span.first_line == 2000 + alone.span.first_line
    assert within.span.start == len(NOISE) + alone.span.start


#: What a file system finds broken: its own line, then that of a warning or of a BUG(); the title.
FOUND_BROKEN = (
    ("VFS: Busy inodes after unmount of loop0 (btrfs)", "fs/super.c",
     "VFS: Busy inodes after unmount (use-after-free)"),
    ("VFS: Close: file count is 0 (f_op=0xffffffff8b2a0000)", "fs/open.c",
     "VFS: Close: file count is zero (use-after-free)"),
    ("BUG: Dentry 00000000d2a0b1f3{i=21,n=a}  still in use (1) [unmount of tmpfs tmpfs]",
     "fs/dcache.c", "BUG: Dentry still in use in unmount"),
)  # fmt: skip


@pytest.mark.parametrize(("line", "file", "title"), FOUND_BROKEN)
def test_what_a_file_system_finds_broken_has_one_name_in_every_dump(
    line: str, file: str, title: str
) -> None:
    bug = f"kernel BUG at {file}:12!\ninvalid opcode: 0000 [#1] SMP\n{CPU}RIP: 0010:f+0x1/0x2\n"
    warned = warning(f"{file}:12", "f", "g", *ENTRY)
    panic = f"Kernel panic - not syncing: kernel: panic_on_warn set ...\n{trace('panic', '__warn')}"
    console = parse_console(f"{line}\n{bug}".encode())
    assert (console.title, console.others) == (title, ())
    for facts in (
        parse_dump(f"{line}\n{bug}".encode(), "Oops", 1),
        parse_console(f"{line}\n".encode()),
        parse_console(f"{line}\n{warned}".encode()),
        parse_dump(f"{line}\n{warned}{panic}".encode(), "Panic", 1),
    ):
        assert (facts.title, facts.signature) == (title, console.signature)
    other = parse_console(f"{line}\n{warning('net/a.c:12', 'f', 'g')}".encode())
    assert [each.title for each in other.others] == ["WARNING in f"]


def test_a_failure_of_cfi_that_is_a_warning_is_what_panic_on_warn_stopped_for() -> None:
    text = f"CFI failure at f+0x1/0x2 (target: g+0x0/0x8)\n{warning('kernel/cfi.c:29', 'f', 'h')}"
    panic = f"Kernel panic - not syncing: kernel: panic_on_warn set ...\n{trace('panic', '__warn')}"
    facts = parse_dump(f"{text}{panic}".encode(), "Panic", 1)
    assert facts.title == "CFI failure in f"
    assert facts.signature == parse_console(text.encode()).signature
