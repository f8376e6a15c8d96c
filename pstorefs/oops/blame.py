"""Which function a report is about: the first one that is not the machinery that noticed it.

A trace begins with the functions that print it, then those that checked, copied, locked or waited
on behalf of somebody. That somebody is whom developers name in a title. The machinery stands here
as tables of patterns, one per purpose; a kind of report says which of them it looks through.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from .kinds import SYMBOL, Blame
from .lines import Line
from .reports import Report
from .trace import Body

_DIGITS = re.compile(r"\d{1,9}$", re.ASCII)
#: What compilers append to the names of the parts and copies that they make of a function.
_SUFFIX = re.compile(
    r"\.(?:isra|constprop|part|cold|llvm|lto_priv|clone|localalias|unlikely|__uniq)(?:\.\d{1,20})?",
    re.ASCII,
)

#: Patterns for whole names. `report` is looked through always, the others where a kind asks.
SKIPS: dict[str, tuple[str, ...]] = {
    "report": (
        # printing and stopping
        r"_*dump_stack(_lvl|_print_info)?", r"_*show_(stack|regs|trace|registers)\w*",
        r"_*dump_(backtrace|trace|mem|header)\w*", r"(unwind|walk)_\w+|arch_stack_walk",
        r"stack_trace_\w+|save_stack\w*|_*stack_depot_\w+", r"_*v?printk\w*", r"print_\w+",
        r"panic|vpanic|nmi_panic\w*|check_panic_on_\w+", r"_*die(_\w+)?|oops_\w+|crash_\w+",
        r"_*warn(_\w+)?|warn_slowpath_\w+|_*warn_printk", r"(\w+_)?report_(bug|error|address)\w*|_*report_\w+",
        r"(fixup|handle|generic)_bug\w*|do_error_trap|do_trap\w*|do_invalid_op|exc_invalid_op",
        r"bug_handler|bug_brk_handler|call_break_hook|brk_handler|kasan_handler|do_debug_exception",
        r"(asm_)?(exc|sysvec)_\w+|(async_)?page_fault|error_entry|ret_from_intr|early_fixup_exception",
        r"(invalid_op|divide_error|general_protection|double_fault|int3|common_exception)\w*",
        r"_*(do|bad|exc)_(kern_|user_)?(page_fault|area|addr_fault|translation_fault|sea|mem_abort)\w*",
        r"_*bad_area\w*|no_context|kernelmode_fixup_or_oops|page_fault_oops|pgtable_bad|handle_page_fault",
        r"el1h?_\w+|el1t_\w+|do_el1_\w+|do_undefinstr|do_kernel_fault\w*|do_mem_abort|do_sp_pc_abort",
        # checkers and sanitizers
        r"_*k(asan|csan|msan|fence)_\w+", r"_*(asan|tsan|msan|hwasan|ubsan|sanitizer|kcov)_\w+",
        r"check_memory_region\w*|check_region_inline|memory_is_\w+|instrument_\w+",
        r"handle_(overflow|\w*_mismatch\w*)|val_to_string|ubsan_epilogue", r"object_err|slab_err|slab_\w+_error",
        r"_*(lockdep|lock_dep)_\w+|register_lock_class|assign_lock_key|look_up_lock_class|mark_(lock|usage|held_locks)\w*",
        r"_*might_(sleep|fault|resched)\w*|_*schedule_(bug|debug)", r"_*debug_(object|check|print|smp|mutex)\w+",
        r"check_preemption_disabled|_*this_cpu_preempt_check|debug_object\w*",
        r"refcount_\w+|_*refcount_\w+", r"_*(fortify|copy_overflow|usercopy|check_object_size|check_heap_object)\w*",
        r"_*list_(add|del|del_entry|add_rcu)_(valid|entry_valid)\w*|_*list_del_entry_valid\w*|_*list_add_valid\w*",
        r"skb_(over_|under_)?panic", r"bad_page(_\w+)?|free_page_is_bad\w*|check_(new|free)_page\w*|dump_page\w*",
        r"nmi_(cpu_backtrace|trigger)\w*|arch_trigger_\w+|trigger_\w+backtrace\w*",
        r"_*stack_chk_fail", r"rcu_(note|check|lockdep)_\w+", r"_*pfx_\w+",
        r"fault_dirty_\w+|should_fail\w*|_*fault_create_\w+|fail_dump",
        r"spin_(bug|dump)|rwlock_bug",
    ),
    "memory": (
        r"_*(mem(cpy|set|move|cmp|chr|scan|chr_inv)\w*|rep_(movs|stos)\w*)",
        r"_*(str(len|nlen|cpy|ncpy|lcpy|lcat|scpy|cat|ncat|cmp|ncmp|casecmp|ncasecmp|chr|rchr|str|nstr|sep|spn))",
        r"_*(arch_)?(raw_)?_*(copy|clear)_(to|from|in)?_?(user|iter)(_\w+)?|_*copy_user_\w+|copy(in|out)",
        r"_*(clear|copy)_(page|highpage|mc)\w*", r"_*csum_partial\w*",
        r"_*(arch_|raw_)?atomic(64|_long)?_\w+|_*(arch_)?(test|set|clear|change)_(and_\w+_)?bit\w*",
        r"_*(get|put)_user_\w+|read_word_at_a_time|_*(READ|WRITE)_ONCE\w*|_*read_once\w*",
    ),
    "locks": (
        r"_*(raw_)?_*(spin|read|write|rw)_?(try|un)?_?lock\w*", r"_*(do|arch|queued)_raw_\w+|do_raw_\w+",
        r"(native_|pv_|virt_)?queued_(spin|read|write)_\w+|_*pv_queued_\w+|kvm_wait|pv_wait\w*|native_\w*halt",
        r"_*(ww_|rt_|__)?mutex_\w*(lock|spin|slow|interrupt|kill|nested|common)\w*|_*ww_mutex_\w+|_*rt_mutex_\w+|rtlock_\w+|rt_spin_\w+",
        r"_*(down|up)(_(read|write|interruptible|killable|trylock|timeout|common|non_owner)\w*)?|_*down_\w+|_*up_(read|write)",
        r"_*rwsem_\w+|_*percpu_(down|up)_\w+|percpu_rwsem_\w+|_*percpu_rwsem_\w+|call_rwsem_\w+|rwbase_\w+",
        r"_*lock_(acquire|release|is_held|contended|acquired)\w*|_*lock_acquire|validate_chain|check_\w*(prev|deadlock|noncircular|irq_usage|wait_context)\w*",
        r"_*local_bh_\w+|_*local_lock\w*|preempt_(count_\w+|schedule\w*|disable|enable)",
        r"trace_(hard|soft)irqs_\w+|_*raw_callee_save_\w+|_*rcu_read_(un)?lock\w*|_*cond_resched\w*|rcu_lock_\w+",
        r"osq_lock\w*|mcs_\w+",
    ),
    "waits": (
        r"_*schedule(_\w+)?|context_switch|io_schedule\w*|_*sched_\w+|preempt_schedule\w*|_*switch_to\w*",
        r"_*(do_)?wait_(for|on|event|iff|woken|var|rcu)\w*|_*wait_\w*bit\w*|bit_wait\w*|out_of_line_wait_\w+|wait_on_\w+",
        r"do_wait_(for|intr)\w*|prepare_to_wait\w*|finish_wait|wait_woken",
        r"_*synchronize_\w+|_*rcu_barrier\w*|_*wait_rcu_gp\w*|exp_funnel_lock|_*sync_rcu\w*",
        r"_*folio_(lock|wait)\w*|_*lock_(page|folio|buffer)\w*|_*(wait_on_)?(page|folio|buffer)_(bit|writeback|lock)\w*|wait_on_page\w*",
        r"_*(usleep|msleep|nanosleep|hrtimer_nanosleep|do_nanosleep)\w*|schedule_hrtimeout\w*",
        r"swait_\w+|_*swait\w*|percpu_ref_\w+wait\w*|blk_mq_freeze_queue_wait|refrigerator|_*refrigerator|freezing_slow_path",
        r"exit_to_user_mode_\w+|rtnl_lock\w*|rtnl_lock_killable|lock_sock_nested|_*lock_sock",
        r"kthread_stop|kthread_park|_*flush_(work|workqueue)\w*|_*cancel_work\w*|drain_workqueue|start_flush_work",
    ),
    "stalls": (
        r"_*rcu_\w+|_*(tick|hrtimer|timer|clock_event|update_process|update_wall)_\w+|_*hrtimer_\w+",
        r"_*run_(timer|hrtimer|local)\w*|call_timer_fn|expire_timers|scheduler_tick|sched_tick|print_cpu_stall\w*",
        r"_*sched_\w+|check_cpu_stall\w*|synchronize_\w+",
        r"(local|smp|native|reschedule|irq|ret|x2?apic|call_function|kvm)_?\w*(apic|ipi|interrupt|smp_\w+)\w*",
        r"(asm_)?(sysvec|exc|common_interrupt|apic_timer)\w*|_*(do_)?(IRQ|irq)_?\w*|irq_(enter|exit|work)\w*",
        r"nmi_\w+|default_do_nmi|do_nmi|end_repeat_nmi|asm_exc_nmi|exc_nmi|watchdog_\w+|lockup_\w+|softlockup_\w+",
        r"_*(softirq|do_softirq|invoke_softirq|handle_softirqs|ksoftirqd|run_ksoftirqd|do_softirq_own_stack)\w*",
        r"_*smp_call_function\w*|csd_lock_wait\w*|generic_exec_single|on_each_cpu\w*|flush_smp_\w+|_*flush_tlb\w*|native_flush_tlb\w*",
        r"gic_\w+|handle_(domain|percpu|arch|irq)\w*|arch_(timer|counter)\w+|el[01]h?_\w+|generic_handle_\w+|do_interrupt_handler|call_on_irq_stack",
        r"_*sanitizer_\w+|write_comp_data|check_kcov_mode|in_(softirq|irq|nmi)\w*|kvm_\w*(guest|cpuid|steal|wait)\w*",
        r"(arch_|default_|native_|acpi_|poll_|do_|cpuidle_)\w*(idle|halt)\w*|cpu_startup_entry|cpuidle_\w+|mwait_\w+|start_secondary|secondary_\w+",
        r"_*stack_(trace|depot)\w*|unwind\w*|_*unwind_\w+|deref_stack\w*|kernel_text_address|_*kernel_text_\w+|is_module_text\w*|on_stack",
        r"arch_local_\w+|_*raw_irq\w*|seqcount\w*|ktime_get\w*|_*delay\w*|__const_udelay|delay_(tsc|loop)\w*",
        r"wake_up_\w+|_*wake_up\w*|try_to_wake_up",
        r"trace_\w+|_*trace\w*|preempt_\w+",
    ),
    "alloc": (
        r"_*(kv?|v|kz|kvz|k)m?alloc\w*|_*kmalloc\w*|_*k[vz]?[mz]?alloc\w*|_*kmem_cache_\w+|_*vmalloc\w*|_*kcalloc\w*",
        r"_*(do_|slab_|__slab_)?(slab_(alloc|post_alloc|node)|kmalloc|kmemleak)\w*|kmemleak_\w+|slab_\w+",
        r"_*(kmemdup|kstrdup|kstrndup|kasprintf|kvasprintf|memdup_user|vmemdup_user|strndup_user|kmemdup_nul)\w*",
        r"_*alloc_(pages?|folio|percpu|skb|slab)\w*|_*get_free_page\w*|pcpu_alloc\w*|krealloc\w*|_*krealloc\w*",
        r"mempool_\w+|_*get_zeroed_page\w*|__do_kmalloc_node|alloc_from_\w+|new_slab\w*|allocate_slab",
    ),
    "free": (
        r"_*(k|v|kv|kz)free(_\w+)?|_*kmem_cache_free\w*|slab_free\w*|_*slab_free\w*|do_slab_free|cache_free\w*|_*cache_free\w*",
        r"_*free_(pages?|hot_cold|unref|one_page|slab|frozen|folio)\w*|free_pcp\w*|free_unref_\w+|free_pages_prepare\w*",
        r"_*(put_page|folio_put|release_pages)\w*|quarantine_\w+|___cache_free|kfree_sensitive|kfree_const|kvfree\w*",
    ),
}
_MACHINERY = {
    name: re.compile("(?:" + "|".join(f"(?:{one})" for one in patterns) + r")\Z", re.ASCII)
    for name, patterns in SKIPS.items()
}

_AT = re.compile(rf"(?:.{{0,300}}? )?at: (?:\[<[0-9a-f]{{1,16}}>\] ?)?(?P<function>{SYMBOL})(?:\+0x| \S+:\d+)", re.ASCII)
_BARE_AT = re.compile(rf"\s*(?:\[<[0-9a-f]{{1,16}}>\] ?)?(?P<function>{SYMBOL})(?:\+0x| \S+:\d+)", re.ASCII)
_CALLER = re.compile(rf"caller is (?P<function>{SYMBOL})", re.ASCII)
_LAST = re.compile(rf"\s*last function: (?P<function>{SYMBOL})", re.ASCII)


def plain(function: str) -> str:
    """Return a function's name in the source: without the compiler's suffixes."""
    name = _SUFFIX.sub("", function)
    return name or function


def is_machinery(function: str, skip: str) -> bool:
    """Whether a function is in the table `report` or in one of those named."""
    name = plain(function)
    return any(_MACHINERY[table].match(name) for table in ("report", *skip.split()))


def blame(report: Report, skip: str, lines: list[Line], body: Body) -> str | None:
    """Return the function that a report is about, or None if nothing in it tells."""
    if report.kind is None:
        return _first(_pointer(body), skip) or _from_trace(body, skip)
    how = report.kind.blame
    if how is Blame.NOBODY:
        return None
    if how is Blame.PLACES:
        return _first((name for name, _ in body.places), skip) or _from_trace(body, skip)
    if how in _LINES:
        found = _from_lines(lines, *_LINES[how])
        if found is not None and not is_machinery(found, ""):
            return plain(found)
        return _from_trace(body, skip)
    if how is Blame.HEADER:
        named = report.groups.get("function") or report.groups.get("function_old")
        return _first([named] if named else (), skip) or _from_trace(body, skip, named)
    if how is Blame.POINTER:
        return _first(_pointer(body), skip) or _from_trace(body, skip)
    return _from_trace(body, skip)


_LINES = {
    Blame.LOCK: (_AT, _BARE_AT, ("at:", "at: ")),
    Blame.CALLER: (_CALLER, None, ()),
    Blame.FUNCTION: (_LAST, None, ()),
}


def _from_lines(
    lines: list[Line],
    pattern: re.Pattern[str],
    after: re.Pattern[str] | None,
    announces: tuple[str, ...],
) -> str | None:
    """Find the function in a line, or in the line after one that only announces it."""
    expected = False
    for line in lines:
        if line.text.rstrip().endswith("[inline]"):
            expected = expected or "at: " in line.text
            continue
        found = pattern.match(line.text) or (after.match(line.text) if expected and after else None)
        if found is not None:
            return found["function"]
        expected = bool(announces) and line.text.rstrip().endswith(announces)
    return None


def _pointer(body: Body) -> Iterable[str]:
    pointer = body.pointer
    return (pointer.function,) if pointer is not None and pointer.function else ()


def _first(functions: Iterable[str], skip: str) -> str | None:
    for function in functions:
        if not is_machinery(function, skip):
            return plain(function)
    return None


def _from_trace(body: Body, skip: str, fallback: str | None = None) -> str | None:
    """Return the first frame to blame: a reliable one, else one found on the stack."""
    reliable = [frame.function for frame in body.frames if frame.reliable]
    found = _first(reliable, skip)
    if found is None and not reliable:
        found = _first((frame.function for frame in body.frames), skip)
    if found is not None:
        return found
    if fallback is not None:
        return plain(fallback)
    pointer = next(iter(_pointer(body)), None)
    return plain(pointer) if pointer is not None else None
