"""Whom a report blames: what a title looks through, and what it never does."""

from __future__ import annotations

import pytest

from pstorefs.oops import parse_console
from pstorefs.oops.demangle import demangle, is_rust_runtime
from pstorefs.oops.skip_functions import ALWAYS, entry, first, is_entry, is_machinery, plain

CPU = "CPU: 1 PID: 42 Comm: cp Not tainted 6.1.5 #7\n"

#: What a trace may begin with, innermost first, before the function that has the bug.
HELPERS = (
    "dump_stack_lvl print_report kasan_report kasan_check_range memcpy",
    "__asan_memset memset",
    "__lock_acquire lock_acquire _raw_spin_lock_irqsave",
    "lock_acquire __mutex_lock mutex_lock_nested",
    "down_write rwsem_down_write_slowpath",
    "refcount_warn_saturate kobject_put put_device",
    "kobject_del device_del device_unregister",
    "__list_del_entry_valid_or_report kobject_put",
    "rb_erase timerqueue_del",
    "__rhashtable_lookup rhashtable_lookup_fast",
    "skb_over_panic skb_put",
    "skb_panic skb_push.cold",
    "kfree kvfree",
    "___kmalloc_large_node __kmalloc_noprof",
    "should_failslab kmem_cache_alloc",
    "__queue_work queue_work_on",
    "__wake_up_common __wake_up",
    "ref_tracker_free",
    "_copy_to_user",
    "crc32_le_base",
    "fast_dput dput",
    "__list_add_valid __pfx_list_add",
    # helpers of 4.x, and those of other architectures
    "check_memory_region __asan_loadN mmioset",
    "do_debug_exception do_mem_abort spurious_fault mm_fault_error",
    "print_circular_bug_header check_deadlock_current lock_release_holdtime hlock_class",
    "__flush_work __cancel_work_timer cancel_delayed_work_sync",
    "drain_workqueue destroy_workqueue",
    "del_timer_sync kthread_cancel_work_sync",
    "call_rwsem_wake up_write cpus_read_unlock put_online_cpus",
    "string ip6_compressed_string pointer vsnprintf btrfs_printk",
    "device_release kobject_put dev_set_name",
    "copy_from_sockptr_offset copy_page_from_iter find_nth_bit",
    "pcpu_get_vm_areas pcpu_create_chunk pcpu_alloc",
    "lock_release_non_nested lock_sys_exit check_page_span ftrace_ops_list_func df_exception",
    "sysfs_slab_add do_kmem_cache_create create_cache setup_cpu_cache alloc_single_from_partial",
    "debug_percpu_counter_activate handle_cfi_failure lock_release_nested",
    "usb_kill_urb usb_kill_anchored_urbs",
    # families in full, also of 2.6 and of 7.x: each row is one file of the kernel
    "strnchrnul sysfs_streq match_string string_unescape stpcpy skip_atoi fourcc_string",
    "flags_string restricted_pointer ptr_to_id set_precision move_right simple_strntoull",
    "do_strncpy_from_user copy_folio_to_iter copy_pipe_to_iter iov_iter_copy_from_user_atomic",
    "sg_next sg_copy_buffer __sg_alloc_table sgl_free match_int hex_range __genradix_ptr",
    "klist_prev plist_requeue __rb_rotate_set_parents list_lru_walk_one delete_node node_tag_set",
    "mtree_range_walk mas_ascend mt_find mte_destroy_walk bucket_table_alloc rcuref_get_slowpath",
    "mas_rewalk mas_wmb_replace mast_split_data mab_calc_split mte_set_node_dead mtree_lookup",
    "device_remove_attrs internal_create_group devm_kasprintf __devres_alloc_node",
    "get_freepointer get_any_partial ksize kvmemdup alloc_empty_sheaf barn_get_empty_sheaf",
    "__alloc_workqueue apply_wqattrs_prepare get_unbound_pool create_worker",
    "enqueue_hrtimer hrtimer_reprogram lock_hrtimer_base get_timer_base debug_activate",
    "srcu_gp_start_if_needed __call_srcu ttwu_queue_wakelist wake_bit_function folio_wake_bit",
    "get_bug_type print_track end_report find_watchpoint canonicalize_ip",
    "print_usage_bug_scenario check_no_collision __bfs_backwards usage_match lock_repin_lock",
    "task_blocks_on_rt_mutex try_to_take_rt_mutex write_seqlock __init_waitqueue_head might_alloc",
    "__traceiter_sched_switch trace_event_raw_event_sched_switch perf_trace_sched_switch",
    "skb_trim pskb_put sock_put get_page page_ref_add folio_get",
    # arithmetic, ciphers, transfers of devices, attributes of messages
    "__div0 Ldiv0_64 __aeabi_uidiv __udivdi3 div64_u64 gcd int_sqrt list_sort",
    "__crypto_xor crypto_inc chacha_permute chacha_block_generic adler32",
    "poly1305_update blake2s_compress_generic md5_transform ghash_update des_encrypt",
    "err_printk check_unmap debug_dma_unmap_page dma_unmap_page_attrs add_dma_entry dma_map_page",
    "nla_memcpy __nla_put nla_put nla_reserve_64bit simple_read_from_buffer",
    "usercopy_abort __check_object_size check_copy_size _copy_to_user",
    "__phys_addr cache_from_obj kmem_cache_free __virt_to_phys_nodebug",
    "__raw_readsw __raw_writesl fallback_scalar_usercopy_sum_enabled enter_vector_usercopy",
    "refcount_warn_saturate rust_helper_refcount_inc rust_helper_get_task_struct",
    "rep_insb inb_p outl_p __ioread32_copy shash_update_unaligned md4_transform rmd160_transform",
    "__lse_atomic_sub __ll_sc_atomic64_add_return __aarch64_ldadd4_relax __cmpwait_case_32",
    "put_device release_nodes devres_release_all __unregister_client device_for_each_child",
    "i2c_del_adapter tty_unregister_device usb_submit_urb usb_hcd_submit_urb dummy_urb_enqueue",
    "touch_wq_lockdep_map __flush_workqueue drain_workqueue",
    "page_fault_oops __bad_area_nosemaphore bad_area_nosemaphore do_user_addr_fault exc_page_fault",
    "alarm_start alarm_cancel tasklet_hi_schedule __tasklet_schedule_common tasklet_kill",
    "__mod_timer mod_timer sk_reset_timer",
    "__timer_delete_sync sk_stop_timer_sync",
    # by the names of 6.18 to 7.x
    "check_unmap debug_dma_unmap_phys dma_unmap_phys dma_unmap_page_attrs",
    "iommu_dma_map_phys xen_swiotlb_map_phys dma_direct_map_phys dma_map_phys dma_iova_link",
    "refill_objects_node get_from_any_partial alloc_from_new_slab refill_sheaf",
    "sha256_update hmac_sha256_update",
    # what prints for one subsystem
    "string vsnprintf vprintk_store vprintk_emit _printk _btrfs_printk",
    "string vsnprintf vprintk_emit _printk __xfs_printk xfs_printk_level xfs_alert_tag",
    "_printk __ext4_msg ext4_warning_inode f2fs_printk __nilfs_msg _fat_msg __exfat_fs_error",
    "_printk _udf_warn _erofs_printk ntfs_inode_printk __mlog_printk __quota_error ubifs_err",
    "__drm_dev_dbg drm_dev_printk __drm_printfn_seq_file drm_printf __snd_printk ibdev_err bt_err",
    "__dynamic_netdev_dbg __dynamic_ibdev_dbg sdev_prefix_printk ata_dev_printk dev_err_probe",
    # where a warning traps (6.19), thunks of x86, FRED
    "__WARN_trap refcount_warn_saturate",
    "its_return_thunk call_depth_return_thunk __SCT__cond_resched __bhi_args_1 __warn_thunk_thunk",
    "exc_page_fault fred_hwexc fred_entry_from_kernel asm_fred_entrypoint_kernel",
    "fred_sysvec_apic_timer_interrupt fred_extint fred_exc_nmi fred_other fred_entry_from_user",
)
#: Names that begin like machinery, and are not: 412 such in a kernel of today.
REAL = [
    "crash_vmclear_local_loaded_vmcss",
    "walk_component",
    "print_req_error",
    "report_iommu_fault",
    "int340x_thermal_handler_attach",
    "report_fault",
    "print_fatal_signal",
    "panic_show",
    "dump_iommu",
    "dump_interrupted",
    "list_add_event",
    "list_sessions",
    "rcu_nocb_setup",
    "lock_two_nondirectories",
    "wake_up_new_task",
    "kmemcpy_test",
    "copy_to_user_state",
    "copy_page_range",
    "copy_process",
    "strset",
    "unregister_node_under_compaction",
    "device_add_disk",
    "bitmap_ip_add",
    "mutex_event",
    "debugfs_create_dir",
    "refresh_cpu",
    "kasprintf_test2",
    "memory_failure",
    "atomic_open",
    "test_bitmap",
    "set_next_entity",
    "get_device_system_crosststamp",
    "add_timer_randomness",
    "schedule_tail",
    "wait_consider_task",
    "__skb_datagram_iter",
    "new_inode_pseudo",
    "remove_wait_queue",
    "free_netdev",
    "lkdtm_SOFTLOCKUP",
    # where developers saw bugs of their own
    "unregister_netdevice_many_notify",
    "rht_deferred_worker",
    "percpu_ref_switch_to_atomic_rcu",
    "kfree_rcu_work",
    "skb_release_data",
    "memdup_user",
    "clear_page",
    "vm_unmap_aliases",
    "xfs_alert_fsblock_zero",
    "bpf_trace_printk",
    "sk_reset_txq",
    "fred_complete_exception_setup",
    "deactivate_slab",
    "sysfs_remove_group",
    "call_timer_fn",
    "tasklet_action_common",
    "skb_checksum_help",
    "nla_put_ifalias",
    "dma_fence_signal",
    "bitmap_port_add",
    "fs_reclaim_acquire",
    "skb_queue_tail",
    "iov_iter_revert",
    "remove_proc_entry",
    "kernfs_get",
    "hrtimer_forward",
    "percpu_ref_kill_and_confirm",
    "rcuref_put_slowpath",
    "register_netdevice",
    "__local_bh_enable_ip",
    "sysfs_warn_dup",
    "__skb_checksum_complete",
    "gf128mul_4k_lle",
    "idr_for_each",
    "radix_tree_next_chunk",
    "format_decode",
    "unwind_next_frame",
    "rcu_note_context_switch",
    # of another, freed timer in the same list
    "enqueue_timer",
    "detach_if_pending",
    # what begins like a helper without its underscores
    "bfs_find_entry",
    "up_threshold_store",
    "copy_user_highpage",
    "idr_callback",
    "cmp_extents_forward",
    "bpf_trace_run2",
    "perf_trace_destroy",
    "sg_remove_request",
    "rb_advance_reader",
]
#: Where the kernel is entered: x86 since 2.6, arm, arm64, powerpc, s390, riscv, mips, loongarch.
ENTRIES = (
    "int_ret_from_sys_call stub_clone sysret32_from_system_call cstar_dispatch retint_user "
    "child_rip "
    "entry_SYSCALL_64_fastpath system_call_fastpath ret_from_fork_asm x64_sys_call "
    "common_interrupt "
    "__sched_text_start __softirqentry_text_start clear_bhb_loop rewind_stack_and_make_dead "
    "__irq_svc __irq_usr vector_swi ret_fast_syscall el0t_64_sync_handler invoke_syscall "
    "system_call_exception interrupt_return start_kernel_thread __do_syscall sysc_return "
    "ret_from_fork_kernel ret_from_syscall handle_syscall syscall_common do_syscall "
    "syscall_handler _new_vmalloc_restore_context_a0 el0t_32_sync x32_sys_call slow_work_pending "
    "do_work_pending linux_sparc_syscall "
)
TRACE = "BUG: sleeping function called from invalid context at a.c:1\n{cpu}Call Trace:\n{frames}"


def frame(words: str) -> str:
    name, _, module = words.partition(" ")
    return f"{name}+0x1/0x2 {module}".rstrip()


def report(*frames: str) -> str:
    return TRACE.format(cpu=CPU, frames="".join(f" {frame(one)}\n" for one in frames))


@pytest.mark.parametrize("helpers", HELPERS)
def test_a_title_looks_through_what_works_for_others(helpers: str) -> None:
    facts = parse_console(report(*helpers.split(), "guilty", "outer").encode())
    assert facts.function == "guilty"


@pytest.mark.parametrize("name", REAL)
def test_no_family_swallows_a_real_function(name: str) -> None:
    assert not is_machinery(name)


def test_a_function_of_a_module_is_itself_whatever_it_is_called() -> None:
    assert is_machinery("kasan_report")
    assert not is_machinery("kasan_report", module="test_kasan")
    assert is_machinery("assfail", module="xfs")
    assert is_machinery("crc32c", module="libcrc32c")
    assert is_machinery("hwrng_unregister", module="rng_core")
    assert is_machinery("usb_start_wait_urb", "waits", module="usbcore")
    assert not is_machinery("hub_event", "waits", module="usbcore")
    assert is_machinery("log_space_wait", "waits", module="somefs")  # in a hang it says so
    assert not is_machinery("log_space_wait", module="somefs")
    assert not is_machinery("log_space_check", "waits", module="somefs")
    facts = parse_console(report("kasan_global_oob [test_kasan]").encode())
    assert facts.function == "kasan_global_oob"


@pytest.mark.parametrize(
    ("frames", "tables"),
    [
        ("vsnprintf _printk xfs_printk_level [xfs]", ""),
        ("vsnprintf _printk _btrfs_printk [btrfs]", ""),
        ("_dev_printk drm_dev_printk [drm]", ""),
        ("__kmalloc_noprof kmem_alloc [xfs]", ""),
        # what takes a lock for its callers
        ("_raw_spin_lock_irq snd_pcm_stream_lock_irq [snd_pcm]", ""),
        ("rwsem_down_write_slowpath f2fs_down_write_trace [f2fs]", "waits"),
        # what allocates what leaks
        ("kmem_cache_alloc_noprof hci_alloc_dev_priv [bluetooth]", "leaks"),
    ],
)
def test_what_works_for_its_own_module_is_looked_through_as_where_it_is_built_in(
    frames: str, tables: str
) -> None:
    *inner, helper, module = frames.split()
    for where in (module.strip("[]"), None):
        assert first([*places(" ".join(inner)), (helper, where), ("guilty", where)], tables) == (
            "guilty"
        )


def test_what_takes_a_lock_for_others_is_looked_through_only_where_it_does() -> None:
    locked = parse_console(report("__mutex_lock", "reiserfs_write_lock", "guilty").encode())
    assert locked.function == "guilty"
    assert parse_console(report("reiserfs_write_lock", "outer").encode()).function == (
        "reiserfs_write_lock"
    )


@pytest.mark.parametrize("name", ["ret_from_fork", "kthread", "0x0", *ENTRIES.split()])
def test_where_the_kernel_is_entered_nobody_is_guilty(name: str) -> None:
    assert is_entry(name)
    facts = parse_console(report("schedule", name).encode())
    assert facts.function != name


def test_an_address_is_no_function() -> None:
    facts = parse_console(
        b"Oops: 0010 [#1] SMP\nRIP: 0010:0xffffffffc0123456\nCall Trace:\n caller+0x1/0x2\n"
    )
    assert facts.function == "caller"


SYSCALLS = [
    ("__x64_sys_rmdir", "sys_rmdir"),
    ("__ia32_compat_sys_ioctl", "compat_sys_ioctl"),
    ("__se_sys_memfd_secret", "memfd_secret"),
    ("__do_sys_openat2", "openat2"),
    ("SyS_rmdir", "rmdir"),
    ("SYSC_sendto", "sendto"),
    ("compat_SyS_ioctl", "ioctl"),
    ("ksys_mount", "mount"),
    ("f.isra.0.cold", "f"),
    ("f.constprop.12", "f"),
    ("f.llvm.1234567890", "f"),
    ("f$707af9a22804d33c81801f27dcfe489b", "f"),
    ("f$707af9a22804d33c81801f27dcfe489b.cfi_jt", "f"),
    ("system_call", "system_call"),
]


@pytest.mark.parametrize(("name", "expected"), SYSCALLS)
def test_what_compilers_and_wrappers_add_is_taken_off(name: str, expected: str) -> None:
    assert plain(name) == expected


def places(words: str) -> list[tuple[str, str | None]]:
    return [(word, None) for word in words.split()]


@pytest.mark.parametrize(
    ("trace", "expected"),
    [
        ("spin vcpu_run kvm_vcpu_ioctl vfs_ioctl __x64_sys_ioctl do_syscall_64", "kvm_vcpu_ioctl"),
        ("spin do_rmdir __x64_sys_rmdir do_syscall_64", "sys_rmdir"),
        ("spin do_mount sys_mount ret_fast_syscall", "mount"),
        ("spin __sys_bpf __riscv_sys_bpf syscall_handler do_trap_ecall_u", "sys_bpf"),
        ("spin my_timer call_timer_fn __run_timers", "my_timer"),
        ("spin my_work process_one_work worker_thread", "my_work"),
        ("spin my_init do_one_initcall kernel_init_freeable kernel_init ret_from_fork", "my_init"),
        ("spin my_probe platform_probe really_probe deferred_probe_work_func process_one_work",
         "my_probe"),
        ("spin my_probe usb_probe_interface really_probe hub_event process_one_work", "hub_event"),
        ("spin my_release __fput ____fput task_work_run", "my_release"),
        ("kvm_vcpu_ioctl kvm_vcpu_compat_ioctl compat_SyS_ioctl do_fast_syscall_32",
         "kvm_vcpu_ioctl"),
        ("lkdtm_SOFTLOCKUP lkdtm_do_action full_proxy_write vfs_write", "lkdtm_SOFTLOCKUP"),
        ("csd_lock_wait smp_call_function_many_cond on_each_cpu flush_tlb do_exit do_syscall_64",
         "smp_call_function"),
        ("spin generic_smp_call_function_interrupt my_work process_one_work", "my_work"),
        ("spin loop", None),
    ],
)  # fmt: skip
def test_a_stall_is_called_after_where_its_activity_enters(
    trace: str, expected: str | None
) -> None:
    assert entry(places(trace), "stalls") == expected


def test_each_table_that_is_named_exists() -> None:
    for table in (*ALWAYS, "waits", "stalls", "leaks"):
        assert first(places("guilty"), table) == "guilty"


MANGLED = [
    ("_RNvXs1_Cs1_6ashmemNtB5_6AshmemNtNtCs43vyB533jt3_6kernel10miscdevice10MiscDevice4mmap",
     "<ashmem::Ashmem as kernel::miscdevice::MiscDevice>::mmap"),
    ("_RNvNtCs9jEwPDbx20M_4core9panicking9panic_fmt", "core::panicking::panic_fmt"),
    ("_RINvNtC3std3mem8align_ofjE", "std::mem::align_of::<usize>"),
    ("_RNvMs0_NtC6kernel3strNtB5_4CStr3len", "<kernel::str::CStr>::len"),
    ("_RNCNvC3foo3bar0B3_", "foo::bar::{closure}"),
    ("_ZN4core9panicking9panic_fmt17h0123456789abcdefE", "core::panicking::panic_fmt"),
    ("_ZN43_$LT$foo..Bar$u20$as$u20$kernel..Module$GT$4init17h0123456789abcdefE",
     "<foo::Bar as kernel::Module>::init"),
    ("_ZN8nmethods3runEv", "nmethods::run"),
    ("_Rubbish", "_Rubbish"),
    ("_RB_", "_RB_"),
    ("_ZN9999999aE", "_ZN9999999aE"),
    ("vfs_read", "vfs_read"),
]  # fmt: skip


@pytest.mark.parametrize(("symbol", "expected"), MANGLED)
def test_symbols_are_read_as_they_are_written(symbol: str, expected: str) -> None:
    assert demangle(symbol) == expected


@pytest.mark.parametrize("piece", ["B_", "NvB_", "INvC3fooB_E", "TB_", "XB_B_", "N" * 9, "R"])
def test_a_hostile_symbol_costs_little(piece: str) -> None:
    symbol = "_R" + piece * (1000 // len(piece))
    assert len(demangle(symbol)) <= 2000


def test_rusts_own_functions_are_machinery() -> None:
    assert is_rust_runtime("_RNvNtCs9jEwPDbx20M_4core9panicking9panic_fmt")
    assert not is_rust_runtime("_RNvMs0_NtC6kernel3strNtB5_4CStr3len")


@pytest.mark.parametrize("suffix", ["", ".isra.0", ".part.0", ".constprop.0.isra.0", ".llvm.123"])
def test_what_compilers_append_does_not_change_whom_a_report_blames(suffix: str) -> None:
    lock = (
        f"BUG: spinlock recursion on CPU#1, cp/42\n{CPU}Call Trace:\n do_raw_spin_lock+0x1/0x2\n"
        f" _raw_spin_lock+0x1/0x2\n __task_rq_lock{suffix}+0x1/0x2\n culprit{suffix}+0x1/0x2\n"
    )
    assert parse_console(lock.encode()).title == "BUG: spinlock recursion in culprit"
    urb = (
        f"WARNING: CPU: 1 PID: 42 at drivers/usb/core/urb.c:494 usb_submit_urb{suffix}+0x1/0x2\n"
        f"{CPU}RIP: 0010:usb_submit_urb{suffix}+0x1/0x2\nCall Trace:\n culprit+0x1/0x2\n"
    )
    assert parse_console(urb.encode()).title == "WARNING in culprit/usb_submit_urb"


@pytest.mark.parametrize("foreign", ["", "eth0: renamed from veth1\n", "login: \naudit: x\n"])
def test_a_message_between_the_frames_of_a_history_ends_it_not(foreign: str) -> None:
    page = (
        "BUG: Bad page state in process cp  pfn:7deea\npage last allocated via order 0, pid 1\n"
        f"{foreign} post_alloc_hook+0x1/0x2\n{foreign} __alloc_pages+0x1/0x2\n{foreign}"
        " culprit+0x1/0x2\npage last free pid 5083 tgid 5083 stack trace:\n"
        f" free_unref_page+0x1/0x2\n other+0x1/0x2\n{CPU}Call Trace:\n another+0x1/0x2\n"
    )
    assert parse_console(page.encode()).title == "BUG: Bad page state in culprit"
    only = page.replace(" culprit+0x1/0x2\n", "")
    assert parse_console(only.encode()).title == "BUG: Bad page state in another"


@pytest.mark.parametrize(
    "functions",
    [
        # by architecture, kernel, processor and tracer there are other ones between these two
        "__asm_memcpy fallback_scalar_usercopy_sum_enabled",
        "__copy_tofrom_user_power7 copypage_power7",
        "dcache_clean_poc arch_sync_dma_for_device dma_direct_map_sg dma_map_sg_attrs",
        "__dma_map_area __dma_page_cpu_to_dev v7_dma_clean_range",
        "class_mutex_constructor class_raw_spinlock_irqsave_destructor mutex_lock_interruptible",
        "return_to_handler kretprobe_trampoline arch_rethook_trampoline ftrace_stub",
    ],
)
def test_what_depends_on_the_machine_and_the_kernel_is_looked_through(functions: str) -> None:
    inner, *outer = functions.split()
    frames = "".join(f" {name}+0x1/0x2\n" for name in (*outer, "culprit", "caller"))
    facts = parse_console(
        f"BUG: unable to handle page fault for address: ffffc90000bb0000\n{CPU}"
        f"RIP: 0010:{inner}+0x1/0x2\nCall Trace:\n{frames}".encode()
    )
    assert facts.title == "BUG: unable to handle kernel paging request in culprit"
    plainly = parse_console(
        f"BUG: unable to handle page fault for address: ffffc90000bb0000\n{CPU}"
        f"RIP: 0010:memcpy+0x1/0x2\nCall Trace:\n culprit+0x1/0x2\n caller+0x1/0x2\n".encode()
    )
    assert (facts.signature, facts.stack) == (plainly.signature, plainly.stack)


LEAVES = {
    "arm64": "pc : {here}+0x18/0x230\nlr : {by}+0x50/0x80\nCall trace:\n {here}+0x18/0x230\n",
    "arm": "PC is at {here}+0x18/0x230\nLR is at {by}+0x50/0x80\nCall trace:\n",
    "riscv": "epc : {here}+0x18/0x230\n ra : {by}+0x50/0x80\n[<ffffffff80006a8c>] {here}+0x1/0x9\n",
    "powerpc": "NIP [c0080000001105f8] {here}+0x18/0x230\nLR [c0080000001103c4] {by}+0x50/0x80\n"
    "Call Trace:\n[c0000000022afbf0] [c0080000001103c4] {by}+0x50/0x80 (unreliable)\n",
}


@pytest.mark.parametrize("machine", LEAVES)
@pytest.mark.parametrize(
    ("here", "by", "guilty"),
    [
        ("memcpy", "culprit", "culprit"),
        ("memcpy", "memcpy", "outer"),  # it has called another function since
        ("memcpy", "_copy_to_iter", "outer"),
        ("culprit", "other", "culprit"),
        ("__asan_load8", "culprit", "outer"),
    ],
)
def test_a_helper_without_a_frame_was_called_by_whom_the_register_says(
    machine: str, here: str, by: str, guilty: str
) -> None:
    body = LEAVES[machine].format(here=here, by=by)
    first = "Unable to handle kernel paging request at virtual address ffff80000d000000\n"
    text = f"{first}{CPU}{body} outer+0x1/0x2\n"
    title = parse_console(text.encode()).title
    assert title == f"BUG: unable to handle kernel paging request in {guilty}"
