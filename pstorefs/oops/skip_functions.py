"""The machinery of the kernel: functions that a title looks through, as tables of patterns.

A trace begins with the functions that print it, then those that checked, copied, locked or waited
on behalf of somebody. One table per purpose; a kind of report says which of them it looks through.
The names are those of 4.x to 7.x kernels on x86 and arm64, without the compiler's suffixes.
"""

from __future__ import annotations

import itertools
import re
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

#: Patterns for whole names, separated by blanks. `report` is looked through always.
_TABLES = {
    # printing, stopping, exceptions on their way to the printer; checkers and sanitizers
    "report": r"""
        _*dump_stack(_lvl|_print_info)? _*show_(stack|regs|trace|registers)\w*
        _*dump_(backtrace|trace|mem|header)\w* (unwind|walk)_\w+ arch_stack_walk stack_trace_\w+
        save_stack\w* _*stack_depot_\w+ _*v?printk\w* print_\w+ panic vpanic nmi_panic\w*
        check_panic_on_\w+ _*die(_\w+)? oops_\w+ crash_\w+ _*warn(_\w+)? warn_slowpath_\w+
        _*warn_printk (\w+_)?report_(bug|error|address)\w* _*report_\w+
        (fixup|handle|generic)_bug\w* do_error_trap do_trap\w* do_invalid_op exc_invalid_op
        bug_handler bug_brk_handler call_break_hook brk_handler kasan_handler do_debug_exception
        (asm_)?(exc|sysvec)_\w+ (async_)?page_fault error_entry ret_from_intr
        early_fixup_exception
        (invalid_op|divide_error|general_protection|double_fault|int3|common_exception)\w*
        _*(do|bad|exc)_(kern_|user_)?(page_fault|area|addr_fault|translation_fault|sea|mem_abort)\w*
        _*bad_area\w* no_context kernelmode_fixup_or_oops page_fault_oops pgtable_bad
        handle_page_fault el1h?_\w+ el1t_\w+ do_el1_\w+ do_undefinstr do_kernel_fault\w*
        do_mem_abort do_sp_pc_abort arm64_serror_panic do_serror _*k(asan|csan|msan|fence)_\w+
        _*(asan|tsan|msan|hwasan|ubsan|sanitizer|kcov)_\w+ check_memory_region\w*
        check_region_inline memory_is_\w+ instrument_\w+ handle_(overflow|\w*_mismatch\w*)
        val_to_string ubsan_epilogue object_err slab_err slab_\w+_error _*(lockdep|lock_dep)_\w+
        register_lock_class assign_lock_key look_up_lock_class mark_(lock|usage|held_locks)\w*
        _*might_(sleep|fault|resched)\w* _*schedule_(bug|debug)
        _*debug_(object|check|print|smp|mutex)\w+ check_preemption_disabled
        _*this_cpu_preempt_check debug_object\w* refcount_\w+ _*refcount_\w+
        _*(fortify|copy_overflow|usercopy|check_object_size|check_heap_object)\w*
        _*list_(add|del|del_entry|add_rcu)_(valid|entry_valid)\w* _*list_del_entry_valid\w*
        _*list_add_valid\w* skb_(over_|under_)?panic bad_page(_\w+)? free_page_is_bad\w*
        check_(new|free)_page\w* dump_page\w* nmi_(cpu_backtrace|trigger)\w* arch_trigger_\w+
        trigger_\w+backtrace\w* _*stack_chk_fail rcu_(note|check|lockdep)_\w+ _*pfx_\w+
        fault_dirty_\w+ should_fail\w* _*fault_create_\w+ fail_dump spin_(bug|dump) rwlock_bug
    """,
    # copying, comparing, single accesses to memory and devices
    "memory": r"""
        _*(mem(cpy|set|move|cmp|chr|scan|chr_inv)\w*|rep_(movs|stos)\w*)
        _*(str(len|nlen|cpy|ncpy|lcpy|lcat|scpy|cat|ncat|cmp|ncmp|casecmp|ncasecmp|chr|rchr|str|nstr|sep|spn))
        _*(arch_)?(raw_)?_*(copy|clear)_(to|from|in)?_?(user|iter)(_\w+)? _*copy_user_\w+
        copy(in|out) _*(clear|copy)_(page|highpage|mc)\w* _*csum_partial\w*
        _*(arch_|raw_)?atomic(64|_long)?_\w+ _*(arch_)?(test|set|clear|change)_(and_\w+_)?bit\w*
        logic_(in|out)\w+ _*raw_(read|write)[bwlq] _*(in|out)[bwl] io(read|write)(8|16|32|64)\w*
        _*(get|put)_user_\w+ read_word_at_a_time _*(READ|WRITE)_ONCE\w* _*read_once\w*
    """,
    # taking and giving locks, and their debugging
    "locks": r"""
        _*(raw_)?_*(spin|read|write|rw)_?(try|un)?_?lock\w* _*(do|arch|queued)_raw_\w+ do_raw_\w+
        (native_|pv_|virt_)?queued_(spin|read|write)_\w+ _*pv_queued_\w+ kvm_wait pv_wait\w*
        native_\w*halt _*(ww_|rt_|__)?mutex_\w*(lock|spin|slow|interrupt|kill|nested|common)\w*
        _*ww_mutex_\w+ _*rt_mutex_\w+ rtlock_\w+ rt_spin_\w+
        _*(down|up)(_(read|write|interruptible|killable|trylock|timeout|common|non_owner)\w*)?
        _*down_\w+ _*up_(read|write) _*rwsem_\w+ _*percpu_(down|up)_\w+ percpu_rwsem_\w+
        _*percpu_rwsem_\w+ call_rwsem_\w+ rwbase_\w+
        _*lock_(acquire|release|is_held|contended|acquired)\w* _*lock_acquire validate_chain
        check_\w*(prev|deadlock|noncircular|irq_usage|wait_context)\w* _*local_bh_\w+
        _*local_lock\w* preempt_(count_\w+|schedule\w*|disable|enable) trace_(hard|soft)irqs_\w+
        _*raw_callee_save_\w+ _*rcu_read_(un)?lock\w* _*cond_resched\w* rcu_lock_\w+ osq_lock\w*
        mcs_\w+
    """,
    # sleeping until something happens
    "waits": r"""
        _*schedule(_\w+)? context_switch io_schedule\w* _*sched_\w+ preempt_schedule\w*
        _*switch_to\w* _*(do_)?wait_(for|on|event|iff|woken|var|rcu)\w* _*wait_\w*bit\w*
        bit_wait\w* out_of_line_wait_\w+ wait_on_\w+ do_wait_(for|intr)\w* prepare_to_wait\w*
        finish_wait wait_woken _*synchronize_\w+ _*rcu_barrier\w* _*wait_rcu_gp\w* exp_funnel_lock
        _*sync_rcu\w* _*folio_(lock|wait)\w* _*lock_(page|folio|buffer)\w*
        _*(wait_on_)?(page|folio|buffer)_(bit|writeback|lock)\w* wait_on_page\w*
        _*(usleep|msleep|nanosleep|hrtimer_nanosleep|do_nanosleep)\w* schedule_hrtimeout\w*
        swait_\w+ _*swait\w* percpu_ref_\w+wait\w* blk_mq_freeze_queue_wait refrigerator
        _*refrigerator freezing_slow_path exit_to_user_mode_\w+ _*ldsem_\w+ tty_ldisc_lock\w*
    """,
    # interrupts, ticks, the detectors themselves, idling
    "stalls": r"""
        _*rcu_\w+ _*(tick|hrtimer|timer|clock_event|update_process|update_wall)_\w+ _*hrtimer_\w+
        _*run_(timer|hrtimer|local)\w* call_timer_fn expire_timers scheduler_tick sched_tick
        print_cpu_stall\w* _*sched_\w+ check_cpu_stall\w* synchronize_\w+
        (local|smp|native|reschedule|irq|ret|x2?apic|call_function|kvm)_?\w*(apic|ipi|interrupt|smp_\w+)\w*
        (asm_)?(sysvec|exc|common_interrupt|apic_timer)\w* _*(do_)?(IRQ|irq)_?\w*
        irq_(enter|exit|work)\w* nmi_\w+ default_do_nmi do_nmi end_repeat_nmi asm_exc_nmi exc_nmi
        watchdog_\w+ lockup_\w+ softlockup_\w+
        _*(softirq|do_softirq|invoke_softirq|handle_softirqs|ksoftirqd|run_ksoftirqd|do_softirq_own_stack)\w*
        _*smp_call_function\w* csd_lock_wait\w* generic_exec_single on_each_cpu\w* flush_smp_\w+
        _*flush_tlb\w* native_flush_tlb\w* gic_\w+ handle_(domain|percpu|arch|irq)\w*
        arch_(timer|counter)\w+ el[01]h?_\w+ generic_handle_\w+ do_interrupt_handler
        call_on_irq_stack _*sanitizer_\w+ write_comp_data check_kcov_mode in_(softirq|irq|nmi)\w*
        kvm_\w*(guest|cpuid|steal|wait)\w*
        (arch_|default_|native_|acpi_|poll_|do_|cpuidle_)\w*(idle|halt)\w* cpu_startup_entry
        cpuidle_\w+ mwait_\w+ start_secondary secondary_\w+ _*stack_(trace|depot)\w* unwind\w*
        _*unwind_\w+ deref_stack\w* kernel_text_address _*kernel_text_\w+ is_module_text\w*
        on_stack arch_local_\w+ _*raw_irq\w* seqcount\w* ktime_get\w* _*delay\w* __const_udelay
        delay_(tsc|loop)\w* wake_up_\w+ _*wake_up\w* try_to_wake_up timerqueue_\w+ rb_\w+
        enqueue_hrtimer trace_\w+ _*trace\w* preempt_\w+
    """,
    # allocating
    "alloc": r"""
        _*(kv?|v|kz|kvz|k)m?alloc\w* _*kmalloc\w* _*k[vz]?[mz]?alloc\w* _*kmem_cache_\w+
        _*vmalloc\w* _*kcalloc\w*
        _*(do_|slab_|__slab_)?(slab_(alloc|post_alloc|node)|kmalloc|kmemleak)\w* kmemleak_\w+
        slab_\w+
        _*(kmemdup|kstrdup|kstrndup|kasprintf|kvasprintf|memdup_user|vmemdup_user|strndup_user|kmemdup_nul)\w*
        _*alloc_(pages?|folio|percpu|skb|slab)\w* _*get_free_page\w* pcpu_alloc\w* krealloc\w*
        _*krealloc\w*
        ida_\w+ idr_\w+ mempool_\w+ _*get_zeroed_page\w* __do_kmalloc_node alloc_from_\w+
        new_slab\w* allocate_slab
    """,
    # freeing
    "free": r"""
        _*(k|v|kv|kz)free(_\w+)? _*kmem_cache_free\w* slab_free\w* _*slab_free\w* do_slab_free
        cache_free\w* _*cache_free\w* _*free_(pages?|hot_cold|unref|one_page|slab|frozen|folio)\w*
        free_pcp\w* free_unref_\w+ free_pages_prepare\w* quarantine_\w+ ___cache_free
        kfree_sensitive kfree_const kvfree\w*
    """,
    # arming and disarming timers and work
    "timers": r"""
        _*(try_to_)?(del|mod|add|delete)_timer\w* _*timer_(delete|init|shutdown)\w* init_timer\w*
        try_to_grab_pending work_grab_pending _*cancel_work _*init_work
        _*hrtimer_(init|cancel|start)\w*
    """,
    # No machinery: these only call another function, chosen by the work at hand. The frame before
    # such a one is where an activity enters: a system call, a file's method, work, a timer.
    "dispatch": r"""
        do_syscall_(32|64|x64)\w* x64_sys_call ia32_sys_call invoke_syscall el0_svc\w* do_el0_svc
        entry_SYSCALL_\w+ system_call_\w+ (__)?do_fast_syscall_32 do_int80\w* do_SYSENTER_32
        process_one_work process_scheduled_works kthread call_timer_fn expire_timers __run_timers
        __hrtimer_run_queues __run_hrtimer tasklet_action\w* workqueue_softirq_action
        _*(do_|handle_)?softirqs? smpboot_thread_fn cpu_startup_entry exit_to_user_?mode_loop
        do_notify_resume task_work_run \w*nl_rcv_msg \w*netlink_rcv_msg genl_family_rcv_msg\w*
        nfnetlink_rcv_batch _*(do_)?vfs_(ioctl|read|write) new_sync_(read|write)
        do_iter_readv_writev sock_sendmsg(_nosec)? __sock_sendmsg sock_recvmsg(_nosec)?
        __netif_receive_skb\w* __napi_poll napi_poll net_rx_action rcu_do_batch
        handle_irq_event\w* __handle_irq_event_percpu
    """,
}


@cache
def _table(name: str) -> re.Pattern[str]:
    """Compile one table, at its first use: all of them take tens of milliseconds."""
    return re.compile("(?:" + "|".join(_TABLES[name].split()) + r")\Z", re.ASCII)


_SYSCALL = re.compile(
    r"__(?:x64|ia32|arm64|x32|s390x?|se|do|riscv)_(?:compat_)?(sys_\w+)", re.ASCII
)

#: What compilers append to the names of the parts and copies that they make of a function.
_SUFFIX = re.compile(
    r"\.(?:isra|constprop|part|cold|llvm|lto_priv|clone|localalias|unlikely|__uniq)(?:\.\d{1,20})?",
    re.ASCII,
)


def plain(function: str) -> str:
    """Return a function's name in the source: without the compiler's suffixes."""
    return _SUFFIX.sub("", function) or function


def is_machinery(function: str, tables: str) -> bool:
    """Whether a function is in the table `report` or in one of those named, blank-separated."""
    name = plain(function)
    return any(_table(table).match(name) for table in ("report", *tables.split()))


def first(functions: Iterable[str], tables: str) -> str | None:
    """Return the first function that is no machinery, as it is called in the source."""
    return next((plain(one) for one in functions if not is_machinery(one, tables)), None)


def entry(functions: list[str], tables: str) -> str | None:
    """Return where the activity entered the kernel that is found in a stack, innermost first.

    A stall lasts longer than any function in it: where exactly the processor was when somebody
    looked is chance, the activity is not.
    """
    dispatchers = _table("dispatch")
    for inner, outer in itertools.pairwise(functions):
        name = plain(inner)
        if (
            dispatchers.match(plain(outer))
            and not dispatchers.match(name)
            and not is_machinery(name, tables)
        ):
            call = _SYSCALL.match(name)
            return call[1] if call is not None else name
    return None
