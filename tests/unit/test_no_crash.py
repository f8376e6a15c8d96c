"""What is no crash is never called one: boot logs, journals, consoles, mail about crashes."""

# ruff: noqa: E501 -- lines are as machines write them

from __future__ import annotations

import random

import pytest

from pstorefs.oops import ends_in_crash, parse_console, parse_dump
from tests.made import record_of

#: Lines of healthy machines with the words of crashes in them.
BOOT = """\
Linux version 6.1.0 (builder@host) (gcc 12.2.0) #1 SMP PREEMPT_DYNAMIC Debian 6.1.1-1
Kernel command line: panic=10 oops=panic panic_on_oops=1 nmi_watchdog=panic softlockup_panic=1 ro quiet
Booting Linux on physical CPU 0x0000000000 [0x411fd070]
Spectre V2 : WARNING: Spectre v2 mitigation leaves CPU vulnerable to RSB underflow
WARNING: Kernel stack overflow detection is not built in
BIOS BUG: BIOS bug detected in table, please report it
[Firmware Bug]: the BIOS has corrupted hw-PMU resources (MSR 38d is b0)
ACPI BIOS Error (bug): Could not resolve symbol [\\_SB.PCI0], AE_NOT_FOUND (20220331/psargs-330)
ACPI Error: Aborting method \\_SB.PCI0 due to previous error (AE_NOT_FOUND)
mce: CPU0: Thermal monitoring enabled (TM1)
mce: [Hardware Error]: Machine check events logged
mce: [Hardware Error]: CPU 0: Machine Check: 0 Bank 5: ee0000000040110a
{1}[Hardware Error]: event severity: corrected
EDAC MC0: 1 CE memory read error on CPU_SrcID#0_MC#0_Chan#0_DIMM#0
NMI watchdog: Enabled. Permanently consumes one hw-PMU counter.
watchdog: NMI not fully supported
rcu: Hierarchical RCU implementation.
rcu: RCU calculated value of scheduler-enlistment delay is 25 jiffies.
lkdtm: No crash points registered, enable through debugfs
kdump: crashkernel reserved: 0x0000000033000000 - 0x0000000053000000 (512 MB)
ramoops: using 0x100000@0x7aa10000, ecc: 0
pstore: Registered efi_pstore as persistent store backend
sysrq: HELP : loglevel(0-9) reboot(b) crash(c) terminate-all-tasks(e)
Modules linked in: nf_tables nfnetlink ext4 crc16 mbcache jbd2
Hardware name: QEMU Standard PC (Q35 + ICH9, 2009), BIOS 1.16.2-1 04/01/2014
CPU: 1 PID: 1 Comm: systemd Not tainted 6.1.0 #1
CPU1: stopping
CPU features: detected: Spectre-v4
Memory Limit: none
Call Trace:
 dump_stack+0x6b/0x83
 [<c0103b1f>] show_trace+0x7f/0xa0
Code: 8b 40 08
Stack : 9000000100 0000
 culprit from caller+0x124/0x144 [mod]
task:kworker/0:1     state:I stack:0     pid:9     ppid:2      flags:0x00004000
INFO: lockdep is turned off.
INFO: NMI handler (perf_event_nmi_handler) took too long to run: 1.234 msecs
perf: interrupt took too long (2507 > 2500), lowering kernel.perf_event_max_sample_rate to 79000
clocksource: timekeeping watchdog on CPU1: Marking clocksource 'tsc' as unstable because the skew is too large:
firefox[1234]: segfault at 0 ip 00007f1 sp 00007ff error 4 in libxul.so[7f1000+1000]
traps: chrome[4321] trap int3 ip:5581 sp:7ffd error:0 in chrome[5581+100]
8<--- cut here ---
a.out: unhandled page fault (11) at 0x00000000, code 0x817
Unhandled fault: alignment exception (0x001) at 0xbe000001
User process fault: interruption code 003b ilc:3 in a.out[1000000+1000]
Out of memory: Killed process 1234 (stress) total-vm:123kB, anon-rss:12kB, file-rss:0kB, UID:0
systemd[1]: Started Process Core Dump (PID 4321/UID 0).
systemd[1]: kernel-panic.service: Main process exited, code=exited, status=1/FAILURE
usb 1-6: Unable to handle this device, it is BUG-compatible only
Unable to handle request: no such host
Oops, no configuration found
EXT4-fs (sda1): mounted filesystem with ordered data mode. Quota mode: none.
EXT4-fs error (device sda1): ext4_lookup:1855: inode #2: comm ls: deleted inode referenced: 12
Freeing unused kernel image (initmem) memory: 1960K
Run /init as init process
random: crng init done
""".splitlines()
ENDS = """\
reboot: Restarting system
reboot: Power down
reboot: System halted
kexec_core: Starting new kernel
sysrq: Resetting
systemd-shutdown[1]: Rebooting.
""".splitlines()
MAIL = """\
From: A Developer <dev@example.org>
Subject: Re: [PATCH] panic: print the modules before "Kernel panic - not syncing"
> Kernel panic - not syncing: Fatal exception
> BUG: kernel NULL pointer dereference, address: 0000000000000008
I see a kernel BUG at mm/slub.c:305! now and then, see below.
The oops "Oops: 0000 [#1] SMP" is gone with this patch, and so is the general protection fault.
  Kernel panic - not syncing: VFS: Unable to mount root fs
Reported-by: syzbot+0123456789@syzkaller.appspotmail.com
Fixes: 0123456789ab ("mm: do not BUG: when unable to handle it")
+\tpr_emerg("Kernel panic - not syncing: %s\\n", buf);
-\tpanic("Attempted to kill init! exitcode=0x%08x\\n", code);
diff --git a/kernel/panic.c b/kernel/panic.c
""".splitlines()
PREFIXES = (
    "",
    "<6>[{:12.6f}] ",
    "[{:12.6f}] ",
    "[{:12.6f}][    T1] ",
    "Nov 28 07:00:00 host kernel: [{:12.6f}] ",
)
#: A warning is a report, and what a text may well be called after; a machine lives through it.
WARNING = """\
------------[ cut here ]------------
WARNING: CPU: 1 PID: 42 at kernel/a.c:12 noisy+0x13/0x20
CPU: 1 PID: 42 Comm: a Not tainted 6.1.5 #7
RIP: 0010:noisy+0x13/0x20
Call Trace:
 caller+0x10/0x20
---[ end trace 0000000000000000 ]---
""".splitlines()


def texts(count: int, seed: int) -> list[bytes]:
    """Texts that are no crash: lines of one kind in any order, as machines and people write them."""
    source = random.Random(seed)
    found = []
    for _ in range(count):
        mail = source.random() < 0.2
        lines = source.choices(MAIL if mail else BOOT, k=source.randrange(1, 40))
        if not mail and source.random() < 0.3:
            lines.append(source.choice(ENDS))
        prefix = "" if mail else source.choice(PREFIXES)
        found.append(
            "".join(f"{prefix.format(n / 7)}{line}\n" for n, line in enumerate(lines)).encode()
        )
    return found


@pytest.mark.parametrize("seed", range(10))
def test_no_crash_is_found_where_there_is_none(seed: int) -> None:
    for text in texts(1000, seed):
        facts = parse_console(text)
        assert (facts.crashed, facts.signature, facts.others) == (False, "", ()), text.decode()
        assert facts.title == "no report in the text", text.decode()
        assert not ends_in_crash(text)
        assert parse_dump(text, "").title == ""


@pytest.mark.parametrize("file", ["console-ramoops-0", "pmsg-ramoops-0", "dmesg-ramoops-0"])
def test_a_record_of_a_healthy_boot_is_no_crash(file: str) -> None:
    for text in texts(50, 77):
        assert not record_of(file, text).crashed


@pytest.mark.parametrize("end", ["", *ENDS])
def test_a_warning_is_a_report_and_no_crash(end: str) -> None:
    text = "\n".join(["boot", *WARNING, "more", end]).encode()
    assert not ends_in_crash(text)
    assert parse_dump(text, "").title == "WARNING in noisy"


@pytest.mark.parametrize("words", ["at f+0x1/0x2 (target: g+0x0/0x8)", "(target: g+0x0/0x8):"])
def test_a_call_that_a_kernel_only_warns_of_is_no_crash(words: str) -> None:
    text = f"CFI failure {words}\nWARNING: CPU: 1 PID: 42 at kernel/cfi.c:29 f+0x1/0x2\n"
    trace = "Call trace:\n f+0x1/0x2\n---[ end trace 0000000000000000 ]---\n"
    assert not ends_in_crash(f"{text}{trace}".encode())
    assert ends_in_crash(
        f"CFI failure {words}\nInternal error: Oops - CFI: 0 [#1] SMP\n{trace}".encode()
    )


def test_a_line_in_which_the_kernel_speaks_of_a_bug_is_no_crash() -> None:
    text = b"[    1.000001] BUG: arch topology borken\n[    1.000002] the SMT domain\n"
    assert parse_dump(text, "").title == "BUG: arch topology borken"
    assert not ends_in_crash(text)


@pytest.mark.parametrize("head", ["sysrq: ", "SysRq : ", "sysrq: SysRq : "])
def test_what_somebody_asked_to_see_is_no_report(head: str) -> None:
    trace = "CPU: 1 PID: 42 Comm: a\nRIP: 0010:f+0x1/0x2\nCall Trace:\n g+0x1/0x2\n h+0x1/0x2\n"
    text = f"boot\n{head}Show backtrace of all active CPUs\nNMI backtrace for cpu 1\n{trace}"
    assert parse_dump(text.encode(), "").title == ""
    assert parse_dump(f"NMI backtrace for cpu 1\n{trace}".encode(), "").cut


@pytest.mark.parametrize("end", ENDS[:5])
def test_an_oops_that_the_machine_lived_through_is_no_crash(end: str) -> None:
    oops = "BUG: kernel NULL pointer dereference, address: 0\nOops: 0000 [#1] SMP\nRIP: 0010:f+0x1/0x2\n"
    assert ends_in_crash(oops.encode())
    assert not ends_in_crash(f"{oops}more\n{end}\n".encode())
    assert not ends_in_crash((oops + "more\n" * 100).encode())
    assert not ends_in_crash(f"{oops}{BOOT[0]}\nmore\n".encode())


def test_a_panic_is_a_crash_whatever_follows_in_that_boot() -> None:
    panic = "Kernel panic - not syncing: dumptest\n"
    assert ends_in_crash((panic + "more\n" * 1000).encode())
    assert ends_in_crash(f"{panic}Rebooting in 1 seconds..\nreboot: Restarting system\n".encode())
    assert not ends_in_crash(f"{panic}{BOOT[0]}\nsystemd[1]: Started.\n".encode())
