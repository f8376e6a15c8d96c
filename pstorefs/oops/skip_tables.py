r"""The names of the kernel's machinery: tables for skip_functions.py.

Whole names, separated by blanks; a line that begins with # says what the next ones are. A name may
have (a|b) and ? in it. Where a family is closed (all that begin so do nothing else) it ends in
`\w*`. Underscores at the beginning do not count: `__up` is `up`, so that a family must stand firm
without them. The names are those of 2.6.32 to 7.x kernels, without the compiler's suffixes.
"""

from __future__ import annotations

TABLES = {
    # printing, stopping, and the way from an exception to the printer
    "report": r"""
        # from an exception to the printer, on all architectures
        __dynamic_(pr_debug|(dev|netdev|ibdev)_dbg) dynamic_emit_prefix do_exit_on_oops
        _*report_bug(_entry)? (fixup|handle|do)_bug
        __handle_bug (bug|cfi|reserved_fault)_handler (bug|brk|kasan|cfi|ubsan|fault)_(brk_)?handler
        call_(break|undef|el1_break)_hook __bug
        do_el1_(brk64|breakpoint|undef|bti|gcs|fpac|mops|watchpt|softstep) is_valid_bugaddr
        do_(error_trap|trap|trap_no_signal|invalid_op|divide_error|int3|debug|bounds|overflow)
        do_(general_protection|double_fault|stack_segment|segment_not_present|alignment_check)
        (asm_)?exc_(invalid_op|divide_error|int3|debug|page_fault|general_protection|double_fault)
        (asm_)?exc_(stack_segment|alignment_check|machine_check|nmi|bounds|overflow|control_protection)
        fred_exc_(nmi|debug|machine_check|double_fault)
        handle_invalid_op handle_stack_overflow handle_(exception|break|page_fault)
        (async_)?page_fault error_(entry|return|code|exit) common_exception\w* ret_from_exception
        (invalid_op|divide_error|general_protection|double_fault|int3|stack_segment|nmi_stack_correct)
        (trace_)?(do|exc)_(async_)?page_fault __do_page_fault ___do_page_fault hash__do_page_fault
        do_kern_addr_fault spurious_kernel_fault _*bad_area(_\w*)? no_context is_prefetch
        kernelmode_fixup_or_oops page_fault_oops pgtable_bad fixup_exception early_fixup_exception
        ex_handler_\w* bad_page_fault _*do_kernel_fault arm64_serror_panic do_serror
        do_(mem_abort|bad_area|sea|bad|sect_fault)
        do_(translation|tag_check|alignment|sp_pc_abort|DataAbort|PrefetchAbort|kernel)(_fault)?
        do_(undefinstr|undef_instr|cp15instr|kernel_address_error) __und_(svc|fault)\w* _*dabt_svc
        _*pabt_svc el1(h|t)?_\w* el0t?_\w* el1_sync_handler atomic_notifier_call_chain_die
        program_check_(common|exception)\w* _exception\w* interrupt_return_srr_kernel
        interrupt_exit_kernel_prepare alignment_(common|exception)
        do_(protection|dat|asce|page|addressing)_exception __do_pgm_check pgm_check_handler
        do_trap_(insn_\w+|break|ecall_\w+|load_\w+|store_\w+|unknown|or_bp) do_(bp|ade|ri|tr)
        handle_(bp|ade[ls]|ri|tlb[lsm]|tlb_\w+|kernel_fault|ale|sys) tlb_do_page_fault_\d
        do_debug_exception do_tag_recovery df_debug mm_fault_error error_sti do_undef
        do_el[01]_undef early_brk64 arm64_(notify_die|force_sig_fault|is_fatal_ras_serror)
        force_signal_inject bad_el0_sync panic_bad_stack handle_bad_stack __bad_stack
        do_program_check do_trap_error do_report_trap
        (machine_check|unrecoverable|system_reset|monitor_event)_exception illegal_op do_ov do_cpu
        kernel_stack_overflow do_watch spurious_fault df_exception bkpt_handler
        do_kernel_cp_fault ia64_(do_page_fault|leave_kernel|native_leave_kernel|fault|bad_break)
        # printing and stopping
        _*dump_stack(_lvl|_print_info)? _*walk_stackframe notrace_walk_stackframe
        _*show_(stack|regs|trace|registers)(_log_lvl|_print_info)?
        dump_(backtrace|trace)(_entry|_log_lvl)? unwind_backtrace print_trace_(stack|address)
        (save_stack|stack_trace|arch_stack_walk|stack_depot|depot_save_stack)\w* __save_stack_trace
        _*save_stack_trace\w* _?_?v?printk(_\w*)? printk_(deferred|safe\w*|nmi\w*|default|func|emit)
        vprintk_\w* __printk_safe_flush dev_vprintk_emit do_vprintk
        _dev_(emerg|alert|crit|err|warn|info|notice)
        _*dev_printk(_emit)? netdev_(printk|err|warn|info) v?panic nmi_panic\w*
        check_panic_on_(warn|stack) panic_(on_warn|other_cpu)\w*
        _*die(_body|_header|_kernel_fault|_addr|_if_kernel|_nmi)? bust_spinlocks
        oops_(begin|end|enter|exit|may_print) crash_(kexec|shutdown|save_cpu)
        _*warn(_printk|_printf|_slowpath\w*|_flushing_systemwide_wq)? warn_slowpath_\w* die_with_\w*
        # where a warning with a message traps, since 6.19 on x86-64, later on s390
        WARN_trap
        arm_notify_die notify_die (data|instruction)_access_common\w* corrupted_stack_end\w*
        _*stack_chk_fail nmi_(cpu_backtrace|trigger_cpumask_backtrace)
        arch_trigger_(cpumask|all_cpu)_backtrace trigger_\w+_backtrace report_mismatch\w*
        show_stack_loglvl dump_mem warn_on_slowpath print_context_stack dump_stack_set_arch_desc
        add_taint print_tainted warn_alloc(_show_mem)? _*ratelimit(_report)?
        dev_(err|warn)_probe dev_vprintk_probe
    """,
    # checkers: sanitizers, lock debugging, list, copy and page checks, fault injection, coverage
    "checkers": r"""
        # KASAN, KMSAN, KCSAN, KFENCE, UBSAN, coverage
        _*(kasan|kmsan|kcsan|kfence|asan|hwasan|msan|tsan|ubsan|sanitizer|kcov)_\w* val_to_string
        _*quarantine_(put|reduce|remove_cache) qlist_(free_all|move_cache) qlink_free ubsan_\w*
        handle_(overflow|object_size_mismatch)
        print_(report|address_description|shadow_for_address|bug|error_description|trailer)
        describe_(object|address|heap_address)(_\w*)? check_memory_region\w* check_region_inline
        memory_is_(poisoned|nonzero)\w* kasan bytes_is_nonzero instrument_\w*
        report_(tag_fault|heap_object|usercopy|enabled) check_canary(_byte)? write_comp_data
        write_once_size __ubsan\w* kmemcheck_\w* stack_erasing stackleak_\w* bytes_is_zero
        get_(shadow_|wild_)?bug_type addr_has_(metadata|shadow) (start|end)_report
        print_(address_stack_frame|memory_metadata|track|tracking|page_info|slab_info)
        describe_frame_address report_(suppressed|ubsan_failure) per_cpu_remove_cache
        qlink_to_object check_slab_allocation (un)?poison_slab_object set_alloc_info
        (find|insert|consume)_watchpoint get_stack_skipnr sanitize_stack_entries for_each_canary
        handle_(null_ptr_deref|misaligned_access|missaligned_access) check_kcov_mode canonicalize_ip
        # lock checking
        do_raw_(spin|read|write)_\w* print_circular_bug_header
        print_(usage_bug|circular_bug|deadlock_bug|irq_inversion_bug|bad_irq_dependency)
        print_(lock_invalid_wait_context|unlock_imbalance_bug|freed_lock_bug|lock_contention_bug)
        print_(circular_bug_entry|lock_nested_lock_not_held|kernel_ident|collision|section)
        (lockdep|lock_dep)_(?!(un)?register_key)\w* register_lock_class assign_lock_key
        look_up_lock_class
        mark_(lock|lock_irq|usage|held_locks|lock_accessed)
        _*lock_(acquire|release|is_held|acquired)
        lock_(is_held_type|contended|downgrade|set_class|pin_lock|unpin_lock|commit_crosslock)
        validate_chain
        check_(prev_add|prevs_add|deadlock|noncircular|path|usage|irq_usage|wait_context)
        check_(usage_forwards|usage_backwards|lock|chain_key|flags|redundant|preemption_disabled)
        (add|find|lookup|validate)_(lock_to_list|held_lock|chain_cache\w*) __lock_set_class
        reacquire_\w* debug_check_no_locks_(freed|held) hlock_class valid_state
        lock_release_holdtime check_deadlock_current print_held_locks_bug
        (perf_trace|traceiter|trace)_lock(_acquire|_release|_acquired|_contended)? _*cond_resched
        graph_(un)?lock (match|find)_held_lock find_usage_(forwards|backwards) __bfs
        alloc_list_entry save_trace is_dynamic_key static_obj (count|inc)_\w*chains? zap_class
        debug_locks_off debug_(lockdep_rcu_enabled|lock_alloc|mutex_\w+|rt_mutex_\w+)
        debug_(object|objects|print|timer|hrtimer|work|rcu_head|rwlock|spin|percpu_counter)_\w*
        debug_smp_processor_id warn_bogus_irq_restore
        (timer|work|hrtimer|rcuhead|percpu_counter)_is_static_object _*might_(sleep|fault|resched)
        ___might_sleep __might_(sleep|fault)\w* __cant_(sleep|migrate) __schedule_(bug|debug|loop)
        schedule_debug _*this_cpu_preempt_check spin_(bug|dump|lock_bug) rwlock_bug
        rcu_(check_callbacks|lockdep_current_cpu_online|is_watching) touch_(wq|work)_lockdep_map
        _*rcu_\w+_held rcu_read_(lock|unlock)(_\w*)? _*rcu_read_(lock|unlock)\w*
        rcu_lock_(acquire|release) trace_(hard|soft)irqs_(on|off)\w* trace_preempt_(on|off)
        trace_(call|ret)\w*_user preempt_(count_add|count_sub|schedule\w*|latency_\w+)
        lock_(repin_lock|set_subclass|sync|map_acquire\w*|map_release|sys_exit) mark_irqflags
        lock_release_(non_)?nested
        check_(no_collision|lock_chain_key) __bfs_(backwards|forwards) hlock_id
        debug_show_(all|held)_locks print_(circular_bug|deadlock|usage_bug|irq_lock)_scenario
        print_(shortest_lock_dependencies|lock_held_at_exit|lock_class_header|lockdep_cache)
        print_(lock|lock_name|lock_trace|ip_sym|unlock_inbalance_bug) debug_locks_off_graph_unlock
        usage_(match|skip) noop_count class_equal lock_class_name (crossrelease|cross_release)\w*
        rcu_(preempt_)?sleep_check rcu_dynticks_curr_cpu_in_eqs might_alloc
        # objects of the allocators, pages, copies
        check_bogus_address check_page_span check_kernel_text_object
        object_err slab_(err|fix|bug|pad_check)
        slab_(free_freelist_hook|free_hook|(pre|post)_alloc_hook) check_(object|bytes\w*|slab)
        (alloc|free)_(consistency_checks|debug_processing) free_to_partial_list check_slab_free
        check_page_allocation debug_check_no_obj_freed (activate|fixup)_\w*obj\w*
        _*debug_check_no_obj_freed check_heap_object _*check_object_size usercopy_(abort|warn)
        check_copy_size
        copy_overflow __copy_overflow check_(page|stack|heap|bogus)_\w*object\w*
        _*fortify_(panic|report|memcpy_chk|memset_chk) _*read_overflow\w* _*write_overflow\w*
        bad_page(_\w*)? free_(page_is_bad\w*|tail_page\w*|pages_check\w*) check_(new|free)_page\w*
        dump_page __dump_page page_bad_reason vm_bug_on_\w* dump_(vma|mm|mapping)
        should_(fail|failslab|fail_alloc_page|fail_ex|fail_usercopy)\w* _*should_failslab
        page_owner_\w* set_page_owner post_alloc_hook prep_new_page __set_page_owner\w*
        __reset_page_owner add_stack_record_to_list memcg_slab_(pre|post)_alloc_hook
        check_(pad_bytes|valid_pointer) on_freelist restore_bytes init_tracking
        cache_from_obj __phys_addr(_symbol)? __virt_to_phys(_nodebug)?
        slab_error verify_redzone_free check_poison_obj cache_(free|alloc)_debugcheck(_after)?
        # transfers of devices: the driver maps and frees
        debug_dma_\w* check_(unmap|sync|for_illegal_area|for_stack|sg_segment) add_dma_entry
        err_printk dma_(un)?map_(page|sg|resource|sgtable|phys)(_attrs)?
        dma_(alloc|free)_(attrs|pages) dma_iova_(try_alloc|link|unlink|sync|free|destroy)
        dma_sync_(single|sg)_for_(cpu|device) mte_check_tfsr\w*
        # the same of one architecture, down to the instructions for the cache
        (arm|arm_coherent|arm_iommu|mips|iommu)_dma_(un)?map_(page|phys|sg|single)(_attrs)?
        (arm|arm_coherent|arm_iommu|mips|iommu)_dma_sync_\w+_for_(cpu|device)
        dma_direct_(un)?map_(page|phys|sg)(_attrs)? dma_direct_sync_\w+_for_(cpu|device)
        _*(xen_)?swiotlb_(un)?map(_page|_phys|_sg|_sg_attrs)? _*swiotlb_(tbl_(un)?map_single|bounce)
        _*swiotlb_sync_\w+_for_(cpu|device) arch_sync_dma_for_(cpu|device)(_all)?
        dma_cache_maint(_page)? _*dma_page_(cpu_to_dev|dev_to_cpu)
        (arm9\d\w?|fa|feroceon|v[4567]\w{0,3}|xsc3|xscale)_dma_(clean|flush|inv|map|unmap)_(area|range)
        _*(inval|clean|flush)_(cache_range|dcache_area)(_po[cu])? v7_flush_kern_dcache_area
        _*dma_(clean|flush|inv|map|unmap)_(area|range) dcache_(clean|inval|clean_inval)_po[cu]
        r4k_dma_cache_(inv|wback_inv) r4k_blast_\w* blast_(d|s)cache\d*(_page|_range)?
        (delete|lookup)_object\w* find_and_remove_object
        # debugobjects, references, fault injection, tracing, compilers
        ftrace_call (arch_)?ftrace_ops_(list|assist)_func ftrace_stub(_graph)?
        # in place of a return address
        return_to_handler _*kretprobe_trampoline (arch_)?rethook_trampoline
        timer_fixup_\w* fail_dump mcount ftrace_\w*caller __fentry__ _*x86_indirect_\w*
        _*x86_return_thunk retbleed_(return_thunk|untrain_ret) (its|call_depth)_return_thunk
        warn_thunk(_thunk)? SCT__\w* bhi_args_\w*
        srso_(alias_)?(return_thunk|safe_ret|untrain_ret) _*cfi_\w*
        cfi_(failure_handler|slowpath_diag|slowpath|check)\w* report_cfi\w* handle_cfi_failure
        zap_(mem_\w+)? _*pfx_\w*
        netdev_WARN ref_tracker_(alloc|free|dir_\w+) _*ref_tracker_\w*
        netdev_tracker_(free|alloc|dir_\w+) (__|do_)?ex_handler_\w* fill_pool
        (work|hrtimer|rcuhead)_fixup_\w* stub_timer debug_(activate|deactivate|assert_init)
        print_irqtrace_events (trace_event_raw_event|traceiter)_\w*
        perf_trace_(?!init|destroy|add|del|buf|event)\w+
    """,
    # of one subsystem: what it calls in place of BUG() and WARN()
    "assertions": r"""
        (btrfs_)?assertfail (xfs_)?ass(fail|warn) xfs_asswarn ocfs2_bug jfs_error_bug bch2_bug
        bch2_inconsistent_error bch2_fatal_error bch2_(fs_)?inconsistent bch2_prt_\w* ceph_bug
        drbd_assert\w* lbug_with_loc
        _*(ext[234]|jbd2?|reiserfs|jfs|nilfs|ocfs2|gfs2|fat|udf)_(fs_)?(panic|error|abort|handle_error)\w*
        f2fs_bug_on f2fs_handle_critical_error nilfs_bug drm_(err|warn|dbg)\w* amdgpu_bug
    """,
    # of one subsystem: what prints and allocates for it, in its module as where that is built in
    "subsystems": r"""
        # file systems
        _*btrfs_printk(_in_rcu)? ext[234]_(msg|warning|warning_inode) _*xfs_printk(_level)?
        xfs_(emerg|alert|crit|err|warn|notice|info|debug)(_tag)? f2fs_printk _*nilfs_(msg|printk)
        _*(fat|exfat)_msg _*exfat_fs_error udf_(err|warn) erofs_(printk|err|info)
        ntfs_(warning|error|debug|printk|inode_printk) mlog_printk gfs2_lm
        reiserfs_(warning|info|debug) ub(i|ifs)_(err|warn|msg) (affs|befs|ufs)_(error|warning)
        quota_error kmem_(z?alloc|realloc)(_large)?
        # drivers and the network
        _*drm_(dev_printk|dev_dbg|printk|v?printf|puts|printfn_\w+|puts_\w+) snd_printk i915_printk
        ibdev_(printk|emerg|alert|crit|err|warn|notice|info) netdev_printk
        bt_(info|warn|err|dbg)(_ratelimited)? batadv_debug_log
        (sdev_prefix|scmd|ata_(dev|port|link))_printk
    """,
    # copying, comparing, parsing, hashing, single bits and accesses to memory and devices
    "memory": r"""
        # bytes and strings
        _*(mem(cpy|set|move|cmp|chr|chr_inv|scan|zero_explicit)|bcmp)(_(erms|orig|flushcache|and_pad|generic|io|toio|fromio|\d+|sse\w*|avx\w*))?
        rep_(movs|stos)\w* memmove_\w* __pi_(mem|str)\w* __arch_(memcpy|memset|copy|clear)\w*
        __memcpy_\w* fast_mem\w*
        _*(str(len|nlen|cpy|ncpy|lcpy|lcat|scpy|scpy_pad|cat|ncat|cmp|ncmp|casecmp|ncasecmp|chr|rchr))
        _*(strchrnul|str|strstr|nstr|strnstr|strsep|strspn|strpbrk|strcspn|strim|sized_strscpy|strnchr)
        string(_nocheck)?
        (symbol|hex|mac_address|ip_addr|ip[46]_addr|ip[46]|ip6_compressed|uuid|escaped)_string
        (bitmap|bitmap_list|resource|device_node|error|widen|time_str|rtc)_string
        memset(16|32|64|_l|_p) strscpy\w* strreplace sysfs_emit(_at)? skip_spaces memparse memweight
        copy_struct_from_sockptr copy_struct_from_user strncpy_from_\w* strnlen_user
        _*strncpy_from_\w* memcpy_(from|to)_(page|folio|sglist|bvec) (zero|memzero)_user\w*
        memzero_page _*memcpy_(from|to)io memset_io uuid_(parse|equal) strnchrnul sysfs_streq
        _*(sysfs_)?match_string string_(un)?escape\w* stpcpy memset_explicit _*memzero bstr_printf
        flags_string fourcc_string fwnode_(full_name_)?string (restricted|default)_pointer
        pointer_string string_truncate (ip4|ip6)_addr_string_sa (rtc|date|time)_str num_to_str
        __copy_tofrom_user(_power7|_base)? __asm_mem(cpy|set|move) copypage_power7
        (fallback_scalar|__asm_vector|enter_vector)_usercopy(_sum_enabled)?
        __copy_(to|from)_user_(std|memcpy) strlen_user do_str(ncpy_from|nlen)_user
        match_(token|strlcpy|strdup|int|uint|u64|hex|octal|number|wildcard) simple_strntou?ll?
        memory_intersects kstrto\w* _*kstrto\w* simple_strto\w*
        # printing into a buffer, parsing
        v?sn?printf v?scnprintf vsnprintf kvasprintf(_const)? kasprintf seq_(v?printf|put\w+|write)
        pointer number va_format (dentry|bdev|file_dentry)_name check_pointer
        put_dec\w* special_hex_number (hex_dump_to|bin2|hex2|hex_to_)(buffer|hex|bin)
        print_hex_dump\w* v?sscanf vbin_printf bprintf skip_atoi format_flags _*ptr_to_(id|hashval)
        err_ptr set_(precision|field_width) move_right address_val netdev_bits
        device_node_gen_full_name hex_range _?parse_integer\w*
        # to and from programs, iterators
        copy_(safe_)?(from|to)_(sockptr|bpfptr)\w* iov_iter_fault_in_\w*
        _*(raw_)?copy_(to|from|in)_(user|iter|kernel)(_nocache|_flushcache|_nofault|_nmi|_inatomic\w*|_mcsafe|_full\w*|_ll\w*|_generic|_timeout)?
        _*copy_user_(generic|enhanced|handle|short|nocache|flushcache)\w* copy_mc_\w*
        _copy_(to|from)_iter\w* (simple_|csum_and_)?copy_to_iter
        copy(in|out|_from_user_iter|_to_user_iter) _*clear_user\w*
        copy_page_(to_iter(_nofault)?|from_iter|from_iter_atomic) __arch_clear_user arm_copy_\w*
        arm_clear_user
        __asm_copy_\w* (fallback_scalar|enter_vector|asm_vector|riscv_v)_usercopy(_sum_enabled)?
        copy_safe_\w* _*(get|put)_user_(nocheck_|asm_|bad_?)?\w?\d*
        fault_in_(safe_|subpage_)?(readable|writeable|iov)\w* probe_kernel_(read|write)
        _*probe_kernel_\w* iterate_(and_advance|iovec|bvec|xarray|ubuf|folioq)\w*
        csum_(and_)?copy\w* copy_folio_(to|from)_iter\w* hash_and_copy_to_iter
        copy_page_(to|from)_iter_iovec copy_pipe_to_iter iov_iter_copy_from_user_atomic
        sg_(next|last|nents\w*|init_table|init_one|miter_\w+|zero_buffer|p?copy_\w+)
        _*sg_(alloc|free)_\w+ sgl_(alloc|free)\w*
        # the same on other architectures: powerpc, mips and alpha, riscv, sparc, s390, parisc
        __copy_tofrom_user\w* backwards_memcpy cacheable_memcpy enter_vmx_(user)?copy
        _*bzero _*copy_user copy_user_(fast|inatomic|zeroing\w*) __constant_c_memset memset_c(_e)?
        fallback_scalar_usercopy\w* (enter|asm)_vector_usercopy
        (GEN|M7|NG[24]?|U[13])(memcpy|memset|bzero|copy_(from|to|in)_user)
        copy_(from|to)_user_mv(cos|cp|cs) clear_user_(mvcos|xc) pa_memcpy(_internal)? lclear_user
        __generic_copy_(from|to)_user __xtensa_copy_user __strncpy_user _*do_div64
        _*raw_(read|write)s[bwl]
        # bits, atomics, single accesses
        load_unaligned_zeropad _*(READ|WRITE)_ONCE\w*
        bitmap_(zero|fill|copy|subset|equal|parse|find_next_zero_area|find_free_region)\w*
        _*(arch_)?(raw_)?atomic(64|_long)?_(add|sub|inc|dec|read|set|xchg|cmpxchg|try|fetch|or|and)\w*
        hweight(8|16|32|64|_long) arch_atomic\w*
        # arm64's, by the instructions there are
        _*(lse|ll_sc)_\w*atomic\w* _*aarch64_(cas|swp|ld|st)\w* _*cmp(wait|xchg)_case_\w*
        _*(arch_)?_*(test|set|clear|change)_(and_\w+_)?bit(_unlock|_lock)? variable_test_bit
        constant_test_bit (_?find_(first|next|last|nth)_)\w*bit\w*
        bitmap_(z?alloc(_node)?|free|cut|remap|onto|fold|(allocate|release)_region)
        bitmap_(from|to)_arr(32|64)
        _*bitmap_(and|andnot|or|xor|set|clear|weight|complement|intersects|shift_\w+|replace)
        _*raw_(read|write)[bwlq] _*(rep_)?(in|out)s?[bwl](_p)? io(read|write)(8|16|32|64)\w*
        logic_(in|out)[bwl] _*raw_(read|write)s[bwlq]
        _*(read|write)[bwlq](_relaxed)? mmio(set|cpy) read_word_at_a_time get_unaligned\w*
        _*(get|put)_unaligned\w* _*read_once\w* __read_once_size\w* native_(read|write)_msr\w*
        cpumask_(next|any)\w* bitmap_print_\w* devm_bitmap_\w* __bitmap_weight_\w* _*genradix_\w*
        __sw_hweight(32|64)
        # checksums, hashes, ciphers, sorting
        aes(ti|ni|_arm64|_generic)?_(encrypt|decrypt|enc|dec)\w* hashlen_string hash_string
        full_name_hash sort(_r|_nonatomic)? csum_(partial|and|block)\w* _*csum_partial\w* do_csum
        skb_checksum(_trimmed)? libcrc32c\w*
        crc(7|8|16|32|32c|64|_t10dif|_ccitt|_itu_t)(_\w*)?
        crypto_shash_(update|digest|final) _*(jhash|siphash|hsiphash|xxh32|xxh64|xxhash)\w*
        _*siphash_\w* cipher_crypt_one drbg_\w* rng_setkey
        crypto_(cipher|rng|shash|ahash|skcipher|aead|sha\d+|aes)_\w* sha(1|256|512|3)_\w* sort_r
        swap_words_\d\d do_swap (search|sort)_extable swap_ex cmp_ex_(sort|search)
        chksum_(update|final|finup|digest) bsearch (zlib_)?adler32 crypto_(xor|inc|memneq)
        h?chacha(20)?_(block|crypt|permute|init)(_arch|_generic)?
        md[45]_(transform|update|final)
        rmd\d+_(transform|update|final) shash_update_unaligned hmac_(sha\d+|md5)_(init|update|final)
        poly1305_(update|final|init|core_\w+|blocks\w*) blake2[sb]_(update|final|compress\w*)
        des3?(_ede)?_(en|de)crypt ghash_(update|final|do_update|mod_\w+) curve25519_generic
        # by which Rust calls what is inline in C: rust/helpers
        rust_helper_\w*
        # arithmetic that a processor lacks
        div0 Ldiv0(_64)? aeabi_u?idiv(mod)? aeabi_u?ldivmod u?(div|mod|divmod)[sd]i[34]
        div64_[us]64(_rem)? div_[us]64_rem iter_div_u64_rem mul_u64_u64_div_u64\w* gcd
        lcm(_not_zero)? int_(sqrt|sqrt64|pow) reciprocal_value(_adv)?
        # buffers of files, attributes of messages
        simple_(read_from|write_to)_buffer nla_(put|reserve)(_nohdr|_64bit)? nla_append
        nla_(memcpy|memcmp|str(lcpy|scpy|cmp|dup))
    """,
    # lists, trees, maps; what holds objects together and counts who uses them
    "containers": r"""
        # lists
        _*list_(add|del|del_entry|del_init|move|splice|replace)(_(rcu|tail|tail_rcu|init|init_rcu|careful|reverse|entry))?
        list_empty(_careful)? _*list_(add|del_entry)_valid(_or_report)? list_lru_(add|del)(_obj)?
        _*(hlist|klist|llist|plist|nulls)_(add|del|next|put|get)\w* hlist_(nulls_)?(add|del)\w*
        klist_(dec_and_del|release|children_get|iter_\w+|add_\w+|remove) klist_(prev|node_init)
        hlist_(bl_)?(add|del)\w* h?list_(unhashed|empty)\w* plist_(requeue|check_\w+)
        list_lru_walk_(one|node) __list_lru_(walk_one|init) list_lru_destroy klist_init
        llist_(reverse_order|add_batch|del_first) klist_next list_sort
        # trees, maps, queues, counters
        rb_(find|left_deepest_node) __rb_(rotate|change)_\w* delete_node node_tag_(set|clear)
        replace_slot set_iter_tags sub_remove free_layer
        mas_\w* mast_\w* mab_\w* mte_\w*
        mtree_\w* mt_(find|find_after|free_\w+|next|prev)
        mt_(destroy_walk|alloc_bulk|slot) ma_(data_end|dead_node)
        (nested_)?bucket_table_(alloc|free|free_rcu)
        nested_table_(alloc|free) rb_(erase|insert_color|first|last|next|prev|replace_node)\w*
        ____rb_erase_color __rb_(insert|erase)\w* rb_(set_parent|link_node)\w* rb_add\w*
        timerqueue_\w* interval_tree_(insert|remove|iter)\w* __anon_vma_interval_tree_\w*
        radix_tree_(?!next_chunk\b)\w* xas_\w* _*xa_\w*
        idr_(alloc|find|get|pre_get|remove|replace|layer)\w*
        idr_(destroy|preload|init|mark_full) ida_\w*
        _*rhashtable_\w*
        rht_(bucket|lock|unlock|key|head|ptr|assign|grow)\w* rhltable_\w* kfifo_\w* __kfifo_\w*
        assoc_array_\w* _*percpu_counter_(add|sum|set|destroy|init|compare|limited)\w*
        # objects of the driver model, and who uses them
        devres_(add|alloc_node|find|get|remove|destroy|release|release_all|release_group)
        release_nodes device_for_each_child(_reverse)? i2c_del_adapter __unregister_client
        tty_unregister_device
        rcuref_get\w* add_uevent_var alloc_uevent_skb sock_put (get|try_get)_page page_ref_\w*
        folio_(get|try_get|ref_\w+)
        kobj_(child_ns_ops|kset_join|kset_leave|attr_show|attr_store|ns_drop) device_remove_file
        device_(add|remove)_(attrs|groups|class_symlinks) devm_kv?asprintf devm_k(strdup|free)
        internal_create_groups? create_files _*(kobject|kset|kref|refcount)_\w* kobject_\w*
        refcount_\w*
        device_(add|del|unregister|register|create)(_file|_vargs|_with_groups|_groups_vargs|_bin_file)?
        device_(initialize|destroy|link_\w+) (get|put)_device get_device_parent
        (devm_)?device_release dev_set_name cdev_device_(add|del) _?dev_hold _?dev_put get_kobj\w*
        sysfs_(create|add|merge|do_create|remove_(bin_file|dir|file|link|mount))\w*
        create_dir folio_unlock unlock_page module_(get|put) try_module_get
        __module_get dput fast_dput __dentry_kill dget iput bus_(add|remove)_device
        percpu_ref_(get|put|tryget|is)\w* proc_register proc_(create|mkdir)\w*
        _?_?netdev_put netdev_hold sock_hold unregister_netdev(ice)?(_queue|_many)?
        rollback_registered\w* hwrng_unregister usb_submit_urb usb_hcd_submit_urb dummy_urb_enqueue
        usb_(kill|poison|unlink|free)_urb
        usb_(kill|poison|unlink|scuttle)_anchored_urbs
    """,
    # taking and giving locks
    "locks": r"""
        _*(raw_)?_*(spin|read|write|rw|local|bit_spin|seq|hlist_bl|rt_spin|rt_read|rt_write)_?(try|un)?_?lock(_\w*)?
        _*raw_(spin|read|write)_\w* (native_|pv_|virt_|kvm_)?queued_(spin|read|write)_\w*
        _*pv_queued_\w* arch_(spin|read|write)_\w* __pv_\w*lock\w* kvm_kick_cpu ticket_spin_\w*
        _*(ww_|rt_)?mutex_(lock|unlock|trylock|spin|optimistic|init|destroy|is_locked|can_spin|remove)\w*
        mutex_(add_waiter|remove_waiter|handoff|waiter_is_first) _*ww_mutex_\w* _*rt_mutex_\w*
        rtlock_slow\w* rt_spin_\w* atomic_dec_and_mutex_lock
        _*(down|up)(_(read|write|interruptible|killable|trylock|timeout|common|non_owner)\w*)?
        __down_(read|write|common|interruptible|killable|timeout)\w* __up ___down_common
        class_\w+_(constructor|destructor|lock_ptr|lock_err)
        downgrade_write rwsem_\w* _*rwsem_\w* call_rwsem_\w* rwbase_\w*
        percpu_(down|up)_(read|write)\w* _*percpu_(down|up)_\w* percpu_rwsem_\w* _*percpu_rwsem_\w*
        ldsem_\w* local_bh_(enable|disable|disable_ip) _*local_irq_(save|restore|enable|disable)
        arch_local_\w* local_lock\w* cpus_(read|write)_(un|try)?lock (get|put)_online_cpus
        resilient_\w*lock\w* percpu_(init|free)_rwsem mutex_get_owner owner_on_cpu
        # big kernel lock, up to 2.6.38; out of line, up to 2.6.19; yielding to who has it, powerpc
        _*(un)?lock_kernel text\.lock\.\w+ _*down_failed\w* (splpar_)?(spin|rw)_yield
        _*raw_callee_save_\w* regmap_(un)?lock_\w+
        osq_(lock|unlock) mcs_spin_\w* seqcount_\w* do_(read|write)_seq\w* _raw_\w+_unlock_irq\w*
        __srcu_read_(un)?lock srcu_(read_)?(un)?lock\w* refcount_dec_and_\w*lock\w*
        _*atomic_dec_and_lock\w* futex_(hash_)?q?_?(un)?lock lockref_\w*
        kthread_(stop|park|unpark|bind)\w* __kthread_(bind|create_on_node|parkme)\w*
        queue_(read|write)_lock_slowpath rspin_until_writer_unlock kvm_lock_spinning
        pv_wait_(node|head\w*) is_rwsem_\w*owned task_blocks_on_rt_mutex readers_active_check
        remove_waiter mark_wakeup_next_waiter try_to_take_rt_mutex
        (read|write)_seq(lock|unlock|count_begin|count_end|begin|retry)(_\w*)? lock_timer_base
    """,
    # allocating
    "alloc": r"""
        _*k[vz]?z?(m|c|re)?alloc(_\w*)? _*kmalloc(_\w*)? _*kv?(m|z|c|re)alloc(_\w*)? kvmalloc_\w*
        _*do_kmalloc(_\w*)? _*kmem_cache_(alloc|free|shrink|destroy|create|zalloc)\w*
        kmem_(alloc|zalloc)\w* __kmem_cache_\w* _*vz?m?alloc(_\w*)? vmalloc_\w* __vmalloc_\w*
        __get_vm_area_node alloc_vmap_area array_alloc _*(slab|slub)_alloc\w* ___slab_alloc
        _*slab_alloc_node (new|allocate|alloc)_slab\w* get_partial\w* cache_(alloc|grow)_?\w*
        kmemleak_\w* create_object fallback_alloc ____cache_alloc\w* do_slab_free kmemdup(_\w*)?
        kstrn?dup(_\w*)? v(c|re)alloc(_\w*)? devm_k\w*alloc\w* devm_kmemdup
        _*alloc_(pages?|frozen_pages|pages_bulk)(_\w*)? alloc_pages_\w* _*folio_alloc\w*
        alloc_slab_page _*get_free_pages?(_\w*)? get_zeroed_page\w* get_page_from_freelist
        rmqueue\w* __alloc_pages_\w* __rmqueue\w* (__)?alloc_percpu\w*
        pcpu_(alloc|create|populate|get|free|find|chunk|block|mem|next|post|destroy|depopulate)\w*
        (init|setup|restore)_(object|red_left) set_track\w* do_krealloc shutdown_cache
        do_kmem_cache_create create_cache sysfs_slab_(add|alias)
        alloc_single_from_(new_slab|partial) setup_cpu_cache enable_cpucache do_tune_cpucache
        alloc_kmem_cache_cpus
        slab_out_of_memory mempool_\w* alloc_from_pool dma_pool_alloc sock_kmalloc dma_pool_free
        kvmemdup get_any_partial (get|set)_freepointer\w* freelist_(dereference|ptr\w*) _*ksize
        buffered_rmqueue warn_alloc_failed (remove|add|check|poison)_element
        _*alloc_workqueue(_key|_va)? alloc_ordered_workqueue apply_workqueue_attrs(_locked)?
        apply_wqattrs_(prepare|commit) alloc_(and_link_pwqs|unbound_pwq) get_unbound_pool
        init_(rescuer|pwq) create_worker link_pwq barn_\w* (alloc|rcu_free)_\w*sheaf\w*
        (re)?fill_sheaf refill_objects(_node)? alloc_from_pcs(_bulk)? alloc_from_new_slab
        get_from_(any_)?partial(_node)? alloc_tagging_slab_(alloc|free)_hook
        __pcs_replace_\w* free_to_pcs\w* pcpu_unmap_pages __page_cache_alloc vm_area_alloc_pages
        sk_page_frag_refill __(napi|netdev)_alloc_frag_align sock_kzalloc filemap_alloc_folio
        __filemap_get_folio(_mpol)? pagecache_get_page grab_cache_page_write_begin
        find_or_create_page _*page_pool_alloc_\w* page_frag_alloc\w* __page_frag_\w*
        skb_page_frag_refill vma_alloc_\w* folio_prealloc alloc_workqueue_noprof
    """,
    # freeing
    "free": r"""
        _*(k|v|kv|kz|kvz)free(_(rcu(_(bulk|list|mightsleep|sheaf|queue_batch|barrier\w*))?|sensitive|const|nolock|strarray|bulk|atomic|call_rcu\w*))?
        ___cache_free cache_free_\w* cache_flusharray _*kmem_cache_free\w* _*slab_free(_\w*)?
        __slab_free\w* _*vunmap\w* vm_unmap_ram remove_vm_area
        _*free_(page|pages|hot_cold_page\w*|frozen_pages\w*|one_page|pages_ok|pages_exact|pages_core|pages_nolock|slab|percpu|pages_prepare|vm_area)
        free_pcp\w* free_(unref|frozen)_\w* __free_pages_\w* __free_page\w* discard_slab
        (put_page|folio_put|__put_page|__folio_put|release_pages)\w* __put_single_page kmem_free\w*
        __kvfree_rcu free_large_kmalloc folios_put(_refs)? folio_batch_move_lru lru_add_drain(_cpu)?
        page_frag_free(_nolock)? free_pcppages_bulk __free_one_page _*memcg_slab_free_hook
        _*slab_update_freelist free_deferred_objects
    """,
    # buffers of the network
    "skb": r"""
        skb_(over_|under_)?panic skb_(put|push|pull)(_data|_zero|_u8)? _*kfree_skb\w* consume_skb
        skb_release_all _*kfree_skbmem sk_skb_reason_drop _*skb_trim pskb_put
        dev_consume_skb_any(_reason)? napi_consume_skb dev_kfree_skb\w* __consume_stateless_skb
    """,
    # arming and disarming timers and work; waking up
    "timers": r"""
        _*(try_to_)?(del|mod|add|delete)_timer(_on|_sync|_pending|_global|_local|_pinned|_sync_try)?
        _*timer_(delete|shutdown|reduce|init)\w* init_timer\w*
        _*internal_add_timer detach_timer sk_(reset|stop)_timer(_sync)?
        hrtimer_(init|start|cancel|try_to_cancel|active|setup)\w* __hrtimer_(init|start)\w*
        try_to_grab_pending work_grab_pending insert_work _*queue_(delayed_)?work(_\w*)?
        _*queue_work(_on)? mod_delayed_work\w* queue_delayed_work\w* schedule_(delayed_)?work(_on)?
        delayed_work_timer_fn __queue_delayed_work (flush|cancel)_(delayed_)?work(_sync)?
        _*flush_work\w* __cancel_work\w* _*cancel_work_timer start_flush_work
        (drain|flush|destroy|__flush|__drain)_workqueue get_work_pool\w* get_work_\w*
        is_chained_work flush_workqueue_prep_pwqs pwq_\w* __init_work disable_work\w* enable_work
        insert_wq_barrier (flush|queue)_rcu_work wait_on_work _*flush_scheduled_work kick_pool
        find_worker_executing_work wake_up_worker raise_softirq(_irqoff)? __raise_softirq_irqoff
        wakeup_softirqd _*call_srcu rcu_segcblist_enqueue srcu_(gp_start_if_needed|funnel_gp_start)
        calc_wheel_index (get|forward)_timer_base trigger_dyntick_cpu do_init_timer enqueue_hrtimer
        _*remove_hrtimer hrtimer_reprogram lock_hrtimer_base kthread_create_worker\w* ttwu_\w*
        (wake_bit|wake_page|var_wake|woken_wake)_function wake_up_page_bit folio_wake(_bit)?
        __hrtimer_get_remaining hrtimer_update_next_event clear_pending_if_disabled
        __init_(waitqueue|swait_queue)_head completion_done try_wait_for_completion
        kthread_(flush|cancel|queue|mod|insert|destroy)_\w*
        tasklet_(kill|disable|init|setup|unlock)\w* tasklet_(hi_)?schedule(_common|_first)?
        irq_work_(queue|sync)\w*
        call_rcu\w* __call_rcu\w* __call_rcu_common
        _*wake_up(_(all|bit|common|locked|sync|process|q|state|var|klogd|pollfree|interruptible|poll|parent)(_\w+)?)?
        autoremove_wake_function default_wake_function swake_up_\w* wait_for_completion\w*
        _*wait_for_common\w* do_wait_for_common complete(_all|_on_current_cpu)? complete_with_flags
        try_to_wake_up wake_up_q prepare_to_(wait|swait)\w* finish_(wait|swait)
        (init|do)_wait_(entry|intr)\w* kthread_should_(stop|park)
        alarm_(init|start(_relative)?|restart|cancel|try_to_cancel|forward(_now)?)
    """,
    # what allocates for others, of what leaks
    "leaks": r"""
        (\w{1,60}_)?[kmzvc]*alloc(ate)?(_\w{1,60})? sock_w?malloc getname\w* dup_task_struct
        (\w{1,60}_)?(str|mem)n?dup(_\w{1,60})?
    """,
    # taking the lock of a socket, letting softirqs run: looked through where locks are the subject
    "sockets": "lock_sock(_nested|_fast)? __lock_sock(_fast)? release_sock local_bh_enable_ip",
    # sending messages to a device of the USB: of what was sent, the sender is the subject
    "messages": r"""
        usb_(start_wait_urb|bulk_msg|interrupt_msg|(internal_)?control_msg(_send|_recv)?)
    """,
    # sleeping until something happens
    "waits": r"""
        _*schedule(_(timeout|hrtimeout|idle|preempt_disabled|rtlock|rt|loop|user)(_\w+)?)?
        context_switch io_schedule\w* do_sched_yield __switch_to\w* _*cond_resched\w*
        preempt_schedule\w* sched_(submit|update)_w\w* wait_for_\w* __wait_for_\w*
        do_wait_for_common wait_on_\w* __wait_on_\w* wait_woken out_of_line_wait_\w* bit_wait\w*
        _*wait_rcu_gp synchronize_\w* __synchronize_\w* exp_funnel_lock rcu_barrier\w* _*rcu_barrier
        sync_rcu_\w* srcu_barrier __sched_text_start _synchronize_\w* folio_wait_\w* __folio_lock\w*
        __lock_sock __lock_(page|buffer)\w* lock_page\w* folio_lock\w* lock_buffer
        (msleep|usleep_range|fsleep)\w* do_nanosleep schedule_hrtimeout\w* swait_\w* __swait_\w*
        refrigerator __refrigerator freezing_slow_path blk_mq_freeze_queue\w* percpu_ref_switch\w*
        usb_(start_wait_urb|control_msg\w*|bulk_msg|interrupt_msg|internal_control_msg)
        rcu_note_context_switch completion_\w* jbd2_log_wait_commit __do_wait get_signal_wait
        closure_sync(_timeout)?
        # what a wait for a bit calls, up to 3.16
        _*sleep_on\w* sync_(buffer|page(_killable)?)
    """,
    # interrupts, ticks, the detectors themselves, idling
    "stalls": r"""
        # ticks and timers
        (tick|hrtimer|__hrtimer|timer|clock_event|clockevents|update_process|update_wall|timekeeping)_\w*
        __run_(timers|hrtimer\w*|timer_base) run_(timer|hrtimer|local|posix)\w* call_timer_fn
        expire_timers scheduler_tick sched_tick sched_(show_task|clock\w*)
        (apic_timer|reschedule|call_function\w*|irq_work)_interrupt
        watchdog_(timer_fn|overflow_callback|hardlockup_\w+|check_timestamp|nmi_\w+)
        arch_(timer|cpu_idle|irq_work)\w* ktime_\w* __?delay __const_udelay __udelay
        delay_(tsc|loop|halt\w*) local_apic_timer_interrupt lapic_(next|timer)_\w* enqueue_hrtimer
        profile_tick account_\w* perf_event_task_tick (kvm|paravirt)_steal_clock
        (riscv_timer|clock_comparator|constant_timer|c0_compare|tegra_timer)_interrupt
        kvm_clock_(read|get_cycles) pvclock_clocksource_read\w* read_tsc
        # interrupts
        (smp|trace)_(\w+_)?interrupt smp_apic_\w* smp_trace_\w* __sysvec_\w* sysvec_\w*
        asm_(sysvec|common)_\w* (asm_|xen_)?(common|spurious)_interrupt do_IRQ ret_from_intr
        interrupt_entry handle_(irq|domain_irq|percpu_\w+|edge_irq|level_irq|fasteoi_\w+|IPI|IRQ)\w*
        __handle_(irq|domain_irq)\w* irq_(enter|exit|work)\w* _*irq_(enter|exit|svc|usr)\w*
        (do_)?nmi default_do_nmi nmi_\w* end_repeat_nmi asm_exc_nmi exc_nmi first_nmi
        perf_event_nmi_handler (__)?do_softirq(_own_stack)? invoke_softirq handle_softirqs ksoftirqd
        run_ksoftirqd __softirq_\w* smp_call_function\w* _*smp_call_function\w* csd_lock_wait\w*
        on_each_cpu\w* flush_smp_\w* __csd_lock_wait flush_tlb_\w* native_flush_tlb\w* gic_\w*
        do_interrupt_handler call_on_(irq_)?stack asm_call_(irq_)?on_stack
        in_(softirq|irq|nmi|hardirq) irqtime_\w* __irq_exit_rcu instr_sysvec_\w* call_softirq
        xen_(hvm_callback_vector|\w*evtchn_do_upcall) ipi_handler generic_smp_call_function_\w*
        ipi_cpu_backtrace do_handle_IPI handle_int handle_(riscv|loongarch|cpu)_irq do_irq(_async)?
        __do_irq riscv_intc_irq plic_handle_irq do_(extint|ext_irq|io_irq|vint) __do_ext_irq
        plat_irq_dispatch
        # detectors, idling, what walks stacks
        _*rcu_\w* print_(cpu_stall|other_cpu_stall)\w* check_cpu_stall\w*
        dump_(cpu_task|single_rcu\w*) generic_handle_\w* lockup_\w* softlockup_\w* hardlockup_\w*
        is_softlockup generic_exec_single el[01]\w* write_comp_data check_kcov_mode kvm_guest\w*
        kvm_wait pv_wait\w*
        (default|native|acpi|poll|cpuidle|intel|haltpoll|psci|pv_native)_\w*(idle|halt|mwait)\w*
        cpu_startup_entry cpuidle_(enter\w*|idle_call) mwait_\w* start_secondary secondary_\w*
        kernel_text_address __kernel_text_address is_module_text\w* is_bpf_text\w* deref_stack\w*
        on_stack native_(safe_)?halt decrementer_\w*
        # giving the processor away: the kthread that waits for the stalled ones is shown, too
        _*schedule(_timeout|_idle|_preempt_disabled)? context_switch switch_to
    """,
    # where a task, a system call or an interrupt enters: nobody's fault, if nothing else is there
    "entries": r"""
        # x86
        ret_from_fork(_asm)? ret_from_syscall_rewind entry_\w* sysenter_\w* ia32_sysenter_target
        do_syscall_(32|64|x64)\w* (x64|ia32)_sys_call __do_fast_syscall_32 do_fast_syscall_32
        do_int80\w* do_SYSENTER_32 start_secondary secondary_startup_64\w* cpu_startup_entry
        x86_64_start_(kernel|reservations) irqentry_(enter|exit)\w* clear_bhb_loop
        int_(ret_from_sys_call|signal|with_check) sysret_(check|audit|signal)
        sysret32_from_system_call stub_(clone|fork|vfork|execve|\w*sigreturn) ptregscall_common
        ia32_(sysret|syscall|cstar_target|do_call) cstar_(dispatch|do_call) resume_userspace
        retint_(user|kernel|careful|signal|swapgs) child_rip (asm_)?int80_emulation
        swapgs_restore_regs_and_return_to_usermode (asm_)?common_interrupt(_return)? paranoid_exit
        rewind_stack_(do_exit|and_make_dead) common_startup_64 startup_32_smp i386_start_kernel
        # with FRED, since 6.9
        asm_fred_(entrypoint_(user|kernel)|exit_(user|kernel)|entry_from_kvm)
        fred_(entry_from_(user|kernel)|extint|hwexc|swexc|intx|other|bad_type) fred_sysvec_\w*
        clear_bhb_loop_nofence
        ret_from_fork_(kernel|kernel_asm|user|user_asm) __x86_sys_\w* startup_64
        # arm, arm64
        ret_(fast|slow|from_user|to_user)\w* invoke_syscall el0_svc\w* do_el0_svc el0_sync\w*
        el0t_(32|64)_sync\w* do_el0_svc_compat (slow_)?work_pending do_work_pending
        _*irq_(svc|usr) _*dabt_usr _*pabt_usr
        vector_swi local_restart __primary_switched __enable_mmu
        # all others
        kernel_thread_(starter|helper|exit)? ret_from_kernel_thread ret_from_except\w* kthread
        system_call(_\w*)? tracesys\w* __sys_trace_return
        syscall_(return_slowpath|exit_\w+|trace_\w+) secondary_start_kernel cpu_bringup_and_idle
        __do_softirq exit_to_user_?mode_\w* syscall_exception handle_syscall do_trap_ecall_u
        syscall_handler new_vmalloc_restore_context_a0 linux_sparc_syscall(32)? x32_sys_call
        call_on_stack handle_sys syscall_common system_call_\w* 0x0 asm_sysvec_\w*
        (sched|lock|entry|irqentry|softirqentry|kprobes|noinstr|cpuidle)_text_(start|end)
        syscall_call ret_from_(sys_call|intr|syscall) syscall_enter_from_user_mode\w*
        prepare_exit_to_usermode ret_from_kernel_(user_thread|thread_asm) start_kernel_thread
        __do_syscall do_syscall syscall_exit interrupt_return (ext|io|mcck)_int_handler
        sysc_(return|tracego) handle_sys(n32|64) stack_done __kernel_text_start _stext _text _etext
        _start
    """,
    # where an interrupt or a fault is entered: the outermost function of each
    "interrupts": r"""
        asm_(sysvec|exc|common)_\w* (apic_timer|reschedule|irq_work)_interrupt
        call_function(_single)?_interrupt (common|spurious)_interrupt ret_from_(intr|irq)
        end_repeat_nmi repeat_nmi nmi(_stack_correct)? paranoid_nmi
        asm_fred_entrypoint_(user|kernel)
        (irq|nmi)_entries_start xen_hvm_callback_vector
        smp_trace_apic_timer_interrupt smp_apic_timer_interrupt_entry_\w*
        irq_(svc|usr) el1t?_irq el1h_64_irq el0_irq el0t_64_irq
        ret_from_exception handle_exception handle_int rollback_handle_int handle_vint
        decrementer_common(_virt)? hardware_interrupt_common(_virt)? timer_interrupt
        ext_(int_handler|no_vtime) (ext|io)_int_handler tl0_irq\d+ hardware_interrupt_entry
        (auto|user)_(irq|int)handler(_fixup)? do_entInt except_vec_vi_handler
    """,
    # arguments of a system call, files' methods: what a stall is called by is what these called
    "dispatch": r"""
        do_syscall_(32|64|x64)\w* x64_sys_call ia32_sys_call invoke_syscall el0_svc\w* do_el0_svc
        entry_SYSCALL_\w* entry_SYSENTER_\w* entry_INT80\w* system_call\w* (__)?do_fast_syscall_32
        do_int80\w* do_SYSENTER_32 sysenter_dispatch tracesys_phase2 ret_fast_syscall do_syscall
        int_ret_from_sys_call stub_(clone|fork|vfork|execve) cstar_dispatch ia32_sysret syscall_call
        syscall_handler handle_sys(64|n32)? linux_sparc_syscall(32)? x32_sys_call
        ret_from_syscall\w* syscall_common handle_syscall do_trap_ecall_u process_one_work
        process_scheduled_works kthread call_timer_fn expire_timers __run_timers __run_timer_base
        __hrtimer_run_queues __run_hrtimer tasklet_action\w* workqueue_softirq_action
        run_timer_softirq _*(do_|handle_)?softirqs? smpboot_thread_fn run_ksoftirqd
        cpu_startup_entry exit_to_user_?mode_loop do_notify_resume task_work_run __fput ____fput
        \w*nl_rcv_msg \w*netlink_rcv_msg genl_family_rcv_msg\w* nfnetlink_rcv_batch
        _*(do_)?vfs_(ioctl|read|write|readv|writev|iter_read|iter_write) new_sync_(read|write)
        __kernel_write
        (compat_SyS|compat_SYSC|__se_compat_sys|__ia32_compat_sys|__do_compat_sys|SyS|SYSC|(compat_)?sys|ksys|__se_sys|__x64_sys|__do_sys|__arm64_sys|__s390x?_sys|__riscv_sys)_(ioctl|read|write)
        (do|call)_(iter|loop)_(readv_writev|read|write)\w* call_(read|write)_iter
        blkdev_(driver_)?ioctl _*sock_sendmsg(_nosec)? sock_recvmsg(_nosec)?
        __sock_(sendmsg|recvmsg) __netif_receive_skb\w* __napi_poll napi_poll net_rx_action
        rcu_do_batch process_backlog handle_irq_event\w* __handle_irq_event_percpu
        call_usermodehelper_exec\w* ret_from_fork(_asm)? do_dentry_open __do_fault do_page_mkwrite
        kthread_worker_fn irq_work_(single|run_list) run_workqueue worker_thread
        __do_syscall __softirqentry_text_start __sys_connect(_file)? SYSC_connect xfrm_user_rcv_msg
        sock_diag_rcv_msg crypto_user_rcv_msg
        # threads of one subsystem: the work that they were given
        taskq_thread zio_execute btrfs_work_helper md_thread vhost_(worker|task_fn|run_work_list)
        nfsd svc_(recv|handle_xprt|process(_common)?) nfsd_dispatch nfsd4_proc_compound
        ptlrpc_(main|server_handle_request) tgt_request_handle
        # what starts drivers, one after the other. Not USB's: devices come and go there.
        do_one_initcall async_run_entry_fn platform_(drv_)?probe (local_pci|pci_device)_probe
        (i2c_device|spi|spi_drv|virtio_dev|amba|mmc_bus|sdio_bus|auxiliary_bus)_probe
    """,
}
