"""What kernels of all architectures print as they crash: title, place, task and trace of each.

Texts by hand, in the kernels' forms; those of real kernels are in test_oops_captures.py.
"""

# ruff: noqa: E501 -- a kernel's lines are as long as they are

from __future__ import annotations

import pytest

from pstorefs.oops import parse_console, parse_dump

ARM_REGISTERS = (
    "pc : [<bf0002a4>]    lr : [<bf000194>]    psr: a00d0013\n"
    "sp : cee0dee0  ip : ffffefff  fp : 01f2df30\n"
    "r10: 00000004  r9 : cee0df80  r8 : bf009120\n"
    "r3 : 00000000  r2 : 00000000  r1 : 00000000  r0 : bf009120\n"
    "Flags: NzCv  IRQs on  FIQs on  Mode SVC_32  ISA ARM  Segment none\n"
    "Control: 10c5387d  Table: 40aa006a  DAC: 00000051\n"
    "Register r0 information: 12-page vmalloc region allocated at load_module+0x96c/0x1bf4\n"
    "Process init (pid: 58, stack limit = 0x(ptrval))\n"
    "Stack: (0xcee0dee0 to 0xcee0e000)\n"
    "dee0: 00000020 ee1a3fc0 00000000 00000000 000000d0 00000000 c0aba922 00000009\n"
)
ARM_END = (
    "Code: e3e0400b eafffffa bf004050 e3a03000 (e5833000)\n---[ end trace 0000000000000000 ]---\n"
)
CPU = "CPU: 1 PID: 58 Comm: init Tainted: G      D            6.1.192 #2\n"
ARM64_REGISTERS = (
    CPU + "Hardware name: linux,dummy-virt (DT)\n"
    "pstate: 60000005 (nZCv daif -PAN -UAO -TCO -DIT -SSBS BTYPE=--)\n"
    "pc : {pc}\nlr : {lr}\nsp : ffffffc0085cbc80\nx29: ffffffc0085cbc80 x28: ffffff8001\n"
)
ARM64_TRACE = "Call trace:\n culprit+0x18/0x24 [mod]\n caller+0x34/0x40 [mod]\n el0_svc+0x14/0x80\n"
ARM64_END = (
    "Code: d50320ff aa1e03e0 95ec52bd d2800000 (b900001f)\n---[ end trace 0000000000000000 ]---\n"
)


def arm64(
    head: str, pc: str = "culprit+0x18/0x24 [mod]", lr: str = "caller+0x30/0x40 [mod]"
) -> str:
    return head + ARM64_REGISTERS.format(pc=pc, lr=lr) + ARM64_TRACE + ARM64_END


def powerpc(head: str, nip: str = "[c0080000001305a4] culprit+0x4/0x10 [mod]") -> str:
    return (
        f"{head}LE PAGE_SIZE=64K MMU=Hash SMP NR_CPUS=4 pSeries\nModules linked in: mod\n{CPU}"
        "Hardware name: IBM pSeries (emulated by qemu) POWER9 (architected)\n"
        "NIP:  c0080000001305a4 LR: c008000000133ed8 CTR: c0080000001305a0\n"
        "REGS: c000000002823930 TRAP: 0300   Not tainted  (6.1.192)\n"
        "MSR:  8000000000009033 <SF,EE,ME,IR,DR,RI,LE>  CR: 84008282  XER: 00000006\n"
        "CFAR: c00000000000bef4 DAR: 0000000000000000 DSISR: 42000000 IRQMASK: 0\n"
        "GPR00: c0080000001303c4 c000000002823bd0 c008000000168100 c008000000160a68\n"
        f"NIP {nip}\nLR [c008000000133ed8] caller+0x48/0x68 [mod]\nCall Trace:\n"
        "[c000000002823bd0] [c0000000000f57dc] _printk+0x38/0x4c (unreliable)\n"
        "[c000000002823bf0] [c0080000001303c4] caller+0x14c/0x170 [mod]\n"
        "[c000000002823c70] [c00000000027b668] outer+0x78/0xc0\n"
        "--- interrupt: 3000 at 0x100c4180\n"
        "NIP:  00000000100c4180 LR: 00000000100c4180 CTR: 0000000000000000\n"
        "NIP [00000000100c4180] 0x100c4180\nLR [00000000100c4180] 0x100c4180\n"
        "--- interrupt: 3000\nInstruction dump:\n00000000 3c4c0003 38427b88 3d420000\n"
        "---[ end trace 0000000000000000 ]---\n"
    )


def riscv(head: str, epc: str = "culprit+0x6/0x10 [mod]") -> str:
    return (
        f"{head}Modules linked in: mod\nCPU: 1 UID: 0 PID: 58 Comm: init Not tainted 6.12.1 #2\n"
        f"Hardware name: riscv-virtio,qemu (DT)\nepc : {epc}\n ra : caller+0x16/0x20 [mod]\n"
        "epc : ffffffff00cef266 ra : ffffffff00cf1b70 sp : ff2000000013bd30\n"
        " gp : ffffffff80c9edd0 tp : ff600000013a8000 t0 : ff2000000013bb08\n"
        "status: 0000000200000120 badaddr: 0000000000000000 cause: 000000000000000f\n"
        "[<ffffffff00cef266>] culprit+0x6/0x10 [mod]\n[<ffffffff00cf1b70>] caller+0x16/0x20 [mod]\n"
        "[<ffffffff802f6a4e>] handle_exception+0x146/0x152\n"
        "Code: 6da2 8526 64e6 6165 (2023) 0000\n---[ end trace 0000000000000000 ]---\n"
    )


def s390(head: str, psw: str = "000003ff7ff00a98 (culprit+0x8/0x10 [mod])") -> str:
    return (
        f"{head}Modules linked in: mod\n{CPU}Hardware name: QEMU 8561 QEMU (KVM/Linux)\n"
        f"Krnl PSW : 0704e00180000000 {psw}\n"
        "           R:0 T:1 IO:1 EX:1 Key:0 M:1 W:0 P:0 AS:3 CC:2 PM:0 RI:0 EA:3\n"
        "Krnl GPRS: 0000000000057fa8 000003ff7ff00a98 000003ff7ff0a3b8 0000000000583d70\n"
        "           000003ff7ff00932 0000038000057b08 0000000001068e58 0000038000057e98\n"
        "Krnl Code: 000003ff7ff00a92: 0707\t\tbcr\t0,%r7\n"
        "          >000003ff7ff00a98: e54c00000000\tmvhi\t0,0\nCall Trace:\n"
        " [<000003ff7ff00a98>] culprit+0x8/0x10 [mod] \n"
        "([<000003ff7ff00932>] caller+0x142/0x170 [mod])\n"
        " [<000000000042a7ae>] __do_syscall+0x20e/0x238 \nLast Breaking-Event-Address:\n"
        " [<000003ff7ff030b6>] elsewhere+0x16/0x18 [mod]\n---[ end trace 0000000000000000 ]---\n"
    )


NULL = "BUG: unable to handle kernel NULL pointer dereference in "
PAGING = "BUG: unable to handle kernel paging request in "

#: Text, title, function at the instruction pointer, PID, first reliable frames.
OOPSES = {
    "arm-from": (
        "8<--- cut here ---\nUnable to handle kernel paging request at virtual address bf0040a8\n"
        "[bf0040a8] *pgd=40ad1811, *pte=40ac96df, *ppte=40ac965f\n"
        "Internal error: Oops: 80f [#1] SMP ARM\nModules linked in: mod\n" + CPU +
        "PC is at culprit+0x4/0xc [mod]\nLR is at caller+0x124/0x144 [mod]\n" + ARM_REGISTERS +
        " culprit [mod] from caller+0x124/0x144 [mod]\n caller [mod] from outer+0x54/0x84\n"
        " outer from ret_fast_syscall+0x0/0x54\nException stack(0xcee0dfa8 to 0xcee0dff0)\n" + ARM_END,
        PAGING + "culprit", "culprit", 58, ("culprit", "caller", "outer", "ret_fast_syscall"),
    ),
    "arm-old": (
        "Unable to handle kernel NULL pointer dereference at virtual address 00000009\n"
        "pgd = e8a60000\n[00000009] *pgd=00000000\nInternal error: Oops: 805 [#1] SMP ARM\n"
        "Modules linked in: mod\nCPU: 1    Not tainted  (2.6.35.7 #1)\nPC is at culprit+0x4/0xc [mod]\n"
        "LR is at caller+0x124/0x144 [mod]\n" + ARM_REGISTERS +
        "[<bf0002a4>] (culprit+0x4/0xc [mod]) from [<c031c7a0>] (caller+0xa8/0x1c0)\n"
        "[<c031c7a0>] (caller+0xa8/0x1c0) from [<c031e698>] (outer+0x31c/0x38c)\n" + ARM_END,
        NULL + "culprit", "culprit", 58, ("culprit", "caller", "outer"),
    ),
    "arm-call-trace": (
        "8<--- cut here ---\nUnhandled fault: page domain fault (0x81b) at 0x00000000\n"
        "Internal error: : 81b [#1] SMP ARM\n" + CPU +
        "PC is at culprit+0x4/0xc [mod]\nLR is at caller+0x124/0x144 [mod]\n" + ARM_REGISTERS +
        "Call trace: \n culprit [mod] from caller+0x124/0x144 [mod]\n" + ARM_END,
        "Unhandled fault in culprit", "culprit", 58, ("culprit", "caller"),
    ),
    "arm-null-call": (
        "8<--- cut here ---\nUnhandled prefetch abort: page domain fault (0x01b) at 0x00000000\n"
        "Internal error: : 1b [#3] SMP ARM\n" + CPU + "PC is at 0x0\n"
        "LR is at caller+0x88/0x98 [mod]\n" + ARM_REGISTERS +
        " caller [mod] from outer+0x124/0x144\n" + ARM_END,
        "Unhandled prefetch abort in caller", None, 58, ("caller", "outer"),
    ),
    "arm-bug": (
        "------------[ cut here ]------------\nkernel BUG at drivers/misc/lkdtm/bugs.c:99!\n"
        "Internal error: Oops - BUG: 0 [#1] SMP ARM\n" + CPU +
        "PC is at culprit+0x4/0xc\nLR is at caller+0x124/0x144\n" + ARM_REGISTERS +
        " culprit from caller+0x124/0x144\n" + ARM_END,
        "kernel BUG in culprit", "culprit", 58, ("culprit", "caller"),
    ),
    "arm-stack-overflow": (
        "Insufficient stack space to handle exception!\nTask stack:     [0xf0a5c000..0xf0a5e000]\n"
        "IRQ stack:      [0xf0800000..0xf0802000]\nOverflow stack: [0x81000000..0x81001000]\n"
        "Internal error: kernel stack overflow: 0 [#1] SMP ARM\nModules linked in:\n" + CPU +
        "Hardware name: Generic DT based system\nPC is at recursive_loop+0xc/0x60 [mod]\n"
        "LR is at recursive_loop+0x40/0x60 [mod]\n" + ARM_REGISTERS +
        " recursive_loop [mod] from recursive_loop+0x40/0x60 [mod]\n" + ARM_END,
        "kernel stack overflow in recursive_loop", "recursive_loop", 58,
        ("recursive_loop", "recursive_loop"),
    ),
    "arm64-execute": (
        arm64(
            "Unable to handle kernel execute from non-executable memory at virtual address ffffffe8\n"
            "Mem abort info:\n  ESR = 0x8600000f\n[ffffffe8] pgd=1\n"
            "Internal error: Oops: 000000008600000f [#1] SMP\nModules linked in: mod\n",
            pc="data_area+0x0/0x40 [mod]",
        ),
        "BUG: unable to handle kernel execute from non-executable memory in data_area",
        "data_area", 58, ("culprit", "caller", "el0_svc"),
    ),
    "arm64-null-call": (
        arm64(
            "Unable to handle kernel NULL pointer dereference at virtual address 0000000000000000\n"
            "Internal error: Oops: 0000000086000006 [#3] SMP\n",
            pc="0x0",
        ),
        NULL + "caller", None, 58, ("culprit", "caller", "el0_svc"),
    ),
    "arm64-user-memory": (
        arm64(
            "Unable to handle kernel access to user memory outside uaccess routines at virtual"
            " address 0000000000400000\nInternal error: Oops: 0000000096000007 [#1] SMP\n"
        ),
        "BUG: unable to handle kernel access to user memory in culprit", "culprit", 58,
        ("culprit", "caller"),
    ),
    "arm64-bug": (
        arm64(
            "------------[ cut here ]------------\nkernel BUG at drivers/misc/lkdtm/bugs.c:99!\n"
            "Internal error: Oops - BUG: 00000000f2000800 [#1] SMP\n"
        ),
        "kernel BUG in culprit", "culprit", 58, ("culprit", "caller"),
    ),
    "loongarch-null": (
        "CPU 1 Unable to handle kernel paging request at virtual address 0000000000000000, era =="
        " 90000000027a4c00, ra == 90000000027a4bf0\nOops[#1]:\n" + CPU +
        "Hardware name: QEMU QEMU Virtual Machine\npc 90000000027a4c00 ra 90000000027a4bf0 tp 9000\n"
        "a0 0000000000000000 a1 0000000000000001 a2 0000000000000002 a3 0000000000000003\n"
        "   ra: 90000000027a4bf0 caller+0x30/0x9e0\n  ERA: 90000000027a4c00 culprit+0x40/0x9e0\n"
        " CRMD: 000000b0 (PLV0 -IE -DA +PG DACF=CC DACM=CC -WE)\n PRMD: 00000004 (PPLV0 +PIE -PWE)\n"
        " ECFG: 00071c1d (LIE=0,2-4,10-12 VS=7)\nESTAT: 00010000 [PIL] (IS= ECode=1 EsubCode=0)\n"
        " BADV: 0000000000000000\nModules linked in:\nProcess init (pid: 58, threadinfo=01, task=02)\n"
        "Stack : 9000000100 0000\n        ...\nCall Trace:\n[<90000000027a4c00>] culprit+0x40/0x9e0\n"
        "[<90000000027a4d00>] caller+0x40/0x9e0\n\nCode: 002c4084\n---[ end trace 00000000 ]---\n",
        PAGING + "culprit", "culprit", 58, ("culprit", "caller"),
    ),
    "mips": (
        "CPU 0 Unable to handle kernel paging request at virtual address 00000018, epc == 803d7d90,"
        " ra == 803d8600\nOops[#1]:\n" + CPU + "task: 87d30000 ti: 87d32000 task.ti: 87d32000\n"
        "$ 0   : 00000000 00000001 00000000 00000000\n$ 4   : 8051b2ac 00000001 80519c2c 00000000\n"
        "Hi    : 0000\nLo    : 0000\nepc   : 803d7d90 culprit+0x68/0x3f8\n"
        "    Not tainted\nra    : 803d8600 caller+0xd0/0x118\nStatus: 1100fc03    KERNEL EXL IE\n"
        "Cause : 0080000c\nBadVA : 00000018\nPrId  : 00019374 (MIPS 24Kc)\nModules linked in: mod\n"
        "Process init (pid: 58, threadinfo=87d32000, task=87d30000, tls=77)\nStack : 0000 0001\n"
        "        ...\nCall Trace:\n[<803d7d90>] culprit+0x68/0x3f8\n[<803d8600>] caller+0xd0/0x118\n\n"
        "\nCode: 02002021  0c0f5d7b\n---[ end trace 5b6ee2 ]---\n",
        PAGING + "culprit", "culprit", 58, ("culprit", "caller"),
    ),
    "mips-null-call": (
        "CPU 0 Unable to handle kernel paging request at virtual address 00000000, epc == 00000000,"
        " ra == 803d8600\nOops[#1]:\n" + CPU + "epc   : 00000000 0x0\n"
        "ra    : 803d8600 caller+0xd0/0x118\nCall Trace:\n[<803d8700>] outer+0xd0/0x118\n"
        "---[ end trace 5b6ee2 ]---\n",
        PAGING + "caller", None, 58, ("outer",),
    ),
    "mips-break": (
        "Break instruction in kernel code[#1]:\n" + CPU + "epc   : 803d7d90 culprit+0x68/0x3f8\n"
        "ra    : 803d8600 caller+0xd0/0x118\nCall Trace:\n[<803d7d90>] culprit+0x68/0x3f8\n",
        "Break instruction in kernel code in culprit", "culprit", 58, ("culprit",),
    ),
    "m68k": (
        ("Unable to handle kernel NULL pointer dereference at virtual address 00000000\n"
        "Oops: 00000000\nModules linked in: mod\nPC: [<0005fbbc>] culprit+0x5c/0xba\n"
        "SR: 2000  SP: 8e0c9a7d  a2: 00c3e000\nd0: 00000000    d1: 00000001    d2: 00000002\n"
        "Process init (pid: 58, task=8d2f)\nFrame format=7 eff addr=00000000 ssw=0505 faddr=00000000\n"
        "Stack from 00c3fdc0:\n        005fbbc0 00000001\n"
        "Call Trace: [<0005fc34>] caller+0x1a/0x66\n [<0005fd34>] outer+0x1a/0x66\n\n"
        "Code: 4e75 2f0b\nDisabling lock debugging due to kernel taint\n"),
        NULL + "culprit", "culprit", 58, ("caller", "outer"),
    ),
    "parisc": (
        "Kernel Fault: Code=15 (Data TLB miss fault) at addr 0000000000000018\n" + CPU +
        "Hardware name: 9000/785/C8000\n\n     YZrvWESTHLNXBCVMcbcbcbcbOGFRQPDI\n"
        "PSW: 00001000000001101111111100001111 Not tainted\n"
        "r00-03  000000ff0806ff0f 0000000041412080 0000000040c3a4a4 00000000bf00a3e0\n"
        "sr00-03  00000000003d2000 0000000000000000 0000000000000000 00000000003d2000\n\n"
        "IASQ: 0000000000000000 0000000000000000 IAOQ: 0000000040c3a4b8 0000000040c3a4bc\n"
        " IIR: 0f4010dc    ISR: 0000000000000000  IOR: 0000000000000018\n"
        " CPU:        1   CR30: 00000000bf00a000 CR31: ffffffffffffffff\n"
        " ORIG_R28: 00000000bf00a3e0\n IAOQ[0]: culprit+0x30/0x9e0\n IAOQ[1]: culprit+0x34/0x9e0\n"
        " RP(r2): caller+0x1c/0x9e0\nBacktrace:\n [<0000000040c3a4a4>] caller+0x1c/0x9e0\n"
        " [<0000000040203e24>] outer+0x1c/0x9e0\n\n---[ end trace 0000000000000000 ]---\n",
        "Kernel Fault in culprit", "culprit", 58, ("caller", "outer"),
    ),
    "powerpc-bug": (
        powerpc("------------[ cut here ]------------\nkernel BUG at drivers/misc/lkdtm/bugs.c:99!\n"
                "Oops: Exception in kernel mode, sig: 5 [#1]\n"),
        "kernel BUG in culprit", "culprit", 58, ("caller", "outer"),
    ),
    "powerpc-fetch": (
        powerpc(
            "kernel tried to execute user page (0) - exploit attempt? (uid: 0)\n"
            "BUG: Unable to handle kernel instruction fetch (NULL pointer?)\n"
            "Faulting instruction address: 0x00000000\n"
            "Oops: Kernel access of bad area, sig: 11 [#3]\n",
            "[0000000000000000] 0x0",
        ),
        NULL + "caller", None, 58, ("caller", "outer"),
    ),
    "powerpc-old": (
        ("Unable to handle kernel paging request for data at address 0x00000018\n"
        "Faulting instruction address: 0xc000000000056e80\n"
        "Oops: Kernel access of bad area, sig: 11 [#1]\nSMP NR_CPUS=1024 NUMA pSeries\n"
        "Modules linked in: mod\nCPU: 1 PID: 58 Comm: init Not tainted 3.10.0-123.el7.ppc64 #1\n"
        "task: c0000001f0e90000 ti: c0000001f0f0c000 task.ti: c0000001f0f0c000\n"
        "NIP: c000000000056e80 LR: c000000000056e7c CTR: 0000000000000000\n"
        "REGS: c0000001f0f0f130 TRAP: 0300   Not tainted  (3.10.0-123.el7.ppc64)\n"
        "MSR: 8000000000009032 <SF,EE,ME,IR,DR,RI>  CR: 24002024  XER: 20000001\nSOFTE: 1\n"
        "NIP [c000000000056e80] .culprit+0x460/0x560\nLR [c000000000056e7c] .caller+0x45c/0x560\n"
        "PACATMSCRATCH [8000000000009032]\nCall Trace:\n"
        "[c0000001f0f0f3b0] [c000000000056e7c] .caller+0x45c/0x560 (unreliable)\n"
        "[c0000001f0f0f450] [c000000000057010] .outer+0x90/0xd0\n"
        "Instruction dump:\n7fe3fb78 4bfffe71\n---[ end trace 1 ]---\n"),
        PAGING + "culprit", "culprit", 58, ("outer",),
    ),
    "powerpc-32": (
        ("Unable to handle kernel paging request for data at address 0x00000000\n"
        "Faulting instruction address: 0xc0056e80\nOops: Kernel access of bad area, sig: 11 [#1]\n"
        "PowerMac\nModules linked in: mod\nNIP: c0056e80 LR: c0056e7c CTR: 00000000\n"
        "REGS: dbc1dc00 TRAP: 0300   Not tainted  (2.6.32)\nMSR: 00009032 <EE,ME,IR,DR>  CR: 24002024\n"
        "DAR: 00000000, DSISR: 40000000\nTASK = dbc0c000[58] 'init' THREAD: dbc1c000 CPU: 1\n"
        "GPR00: 00000001 dbc1dcb0 dbc0c000 00000000\nNIP [c0056e80] culprit+0x20/0x60\n"
        "LR [c0056e7c] caller+0x1c/0x60\nCall Trace:\n[dbc1dcb0] [c0056e7c] caller+0x1c/0x60 (unreliable)\n"
        "[dbc1dcc0] [c0057010] outer+0x90/0xd0\nInstruction dump:\n7fe3fb78\n---[ end trace 1 ]---\n"),
        PAGING + "culprit", "culprit", 58, ("outer",),
    ),
    "powerpc-attempted": (
        powerpc("Kernel attempted to write user page (0) - exploit attempt? (uid: 0)\n"
                "BUG: Kernel NULL pointer dereference on write at 0x00000000\n"
                "Faulting instruction address: 0xc0080000001305a4\n"
                "Oops: Kernel access of bad area, sig: 11 [#1]\n"),
        NULL + "culprit", "culprit", 58, ("caller", "outer"),
    ),
    "powerpc-stack-pointer": (
        powerpc("Bad kernel stack pointer c000000002820010 at c0080000001305a4\n"
                "Oops: Bad kernel stack pointer, sig: 6 [#1]\n"),
        "Bad kernel stack pointer in culprit", "culprit", 58, ("caller", "outer"),
    ),
    "powerpc-stack-overflow": (
        "Kernel stack overflow in process c000000002794880[58], r1=c000000002820010\n"
        + powerpc("", "[c0080000001305a4] recursive_loop+0x4/0x10 [mod]"),
        "kernel stack overflow in recursive_loop", "recursive_loop", 58, ("caller", "outer"),
    ),
    "riscv-bug": (
        riscv("------------[ cut here ]------------\nkernel BUG at drivers/misc/lkdtm/bugs.c:105!\n"
              "Kernel BUG [#1]\n"),
        "kernel BUG in culprit", "culprit", 58, ("culprit", "caller"),
    ),
    "riscv-null": (
        riscv("Unable to handle kernel NULL pointer dereference at virtual address 0000000000000008\n"
              "Current init pgtable: 4K pagesize, 57-bit VAs, pgdp=0x0000000081d6a000\n"
              "[0000000000000008] pgd=0000000020758801\nOops [#1]\n"),
        NULL + "culprit", "culprit", 58, ("culprit", "caller"),
    ),
    "riscv-null-call": (
        riscv("Unable to handle kernel access to user memory without uaccess routines at virtual"
              " address 0000000000000000\nOops [#3]\n", "0x0"),
        "BUG: unable to handle kernel access to user memory in caller", None, 58, ("culprit",),
    ),
    "riscv-illegal": (
        riscv("Oops - illegal instruction [#1]\n"),
        "illegal instruction in culprit", "culprit", 58, ("culprit", "caller"),
    ),
    "s390-bug": (
        s390("------------[ cut here ]------------\nkernel BUG at drivers/misc/lkdtm/bugs.c:99!\n"
             "monitor event: 0040 ilc:2 [#1] SMP\n"),
        "kernel BUG in culprit", "culprit", 58, ("culprit", "caller"),
    ),
    "s390-illegal": (
        s390("illegal operation: 0001 ilc:1 [#3] SMP\n", "0000000000000002 (0x2)"),
        "illegal operation in culprit", None, 58, ("culprit", "caller"),
    ),
    "s390-old": (
        ("Unable to handle kernel pointer dereference at virtual kernel address (null)\n"
        "Oops: 0004 [#1] SMP\nModules linked in: mod\n"
        "CPU: 1 Not tainted 2.6.32-71.el6.s390x #1\n"
        "Process init (pid: 58, task: 000000007ffa9998, ksp: 0000000059e1c000)\n"
        "Krnl PSW : 0704000180000000 000003ff8086d03a (culprit+0x3a/0x100 [mod])\n"
        "           R:0 T:1 IO:1 EX:1 Key:0 M:1 W:0 P:0 AS:0 CC:0 PM:0 EA:3\n"
        "Krnl GPRS: 0000000000010000 070000000020db8e 0000000000000030 00000000000000d7\n"
        "Call Trace:\n([<000003ff8086d036>] caller+0x36/0x1000 [mod])\n"
        " [<000000000010014e>] outer+0xce/0x160\nLast Breaking-Event-Address:\n"
        " [<000003ff8086d036>] elsewhere+0x36/0x1000\n\n---[ end trace 4e37b1eb61ae9844 ]---\n"),
        "BUG: unable to handle kernel pointer dereference in culprit", "culprit", 58,
        ("caller", "outer"),
    ),
    "sparc": (
        ("Unable to handle kernel NULL pointer dereference\ntsk->{mm,active_mm}->context = 01f6\n"
        "tsk->{mm,active_mm}->pgd = fff800003f5f8000\n              \\|/ ____ \\|/\n"
        '              "@\'/ .. \\`@"\ninit(58): Oops [#1]\n'
        "CPU: 1 PID: 58 Comm: init Not tainted 4.9.0 #1\nTSTATE: 0000004411001603 TPC: 00000000004b8d20"
        " TNPC: 00000000004b8d24 Y: 00000000    Not tainted\nTPC: <culprit+0x20/0x60>\n"
        "g0: 00000000 g1: 00000001\nRPC: <caller+0x18/0x60>\nl0: 0000\ni0: 0000\n"
        "I7: <outer+0x18/0x60>\nCall Trace:\n [00000000004b8e20] outer+0x18/0x60\n"
        "Disabling lock debugging due to kernel taint\nCaller[00000000004b8e20]: outer+0x18/0x60\n"
        "Instruction DUMP: c2 00\n"),
        NULL + "culprit", "culprit", 58, ("outer",),
    ),
    "i386-2.6": (
        ("Unable to handle kernel NULL pointer dereference at virtual address 00000008\n"
        " printing eip:\nc0156e80\n*pde = 00000000\nOops: 0000 [#1]\nPREEMPT SMP\n"
        "Modules linked in: mod\nCPU:    1\nEIP:    0060:[<c0156e80>]    Not tainted VLI\n"
        "EFLAGS: 00010246   (2.6.12)\nEIP is at culprit+0x20/0x60 [mod]\n"
        "eax: 00000000   ebx: 00000001   ecx: 00000002   edx: 00000003\n"
        "ds: 007b   es: 007b   ss: 0068\nProcess init (pid: 58, threadinfo=c1234000 task=c5678000)\n"
        "Stack: 00000000 00000001\nCall Trace:\n [<c0103b1f>] caller+0x7f/0xa0 [mod]\n"
        " [<c0103c1f>] outer+0x7f/0xa0\nCode: 8b 40 08\n"),
        NULL + "culprit", "culprit", 58, ("caller", "outer"),
    ),
    "x86-64-2.6": (
        ("Unable to handle kernel NULL pointer dereference at 0000000000000008 RIP:\n"
        "<ffffffff880b4f34>{:mod:culprit+52}\nPGD 1f3f067 PUD 0\nOops: 0000 [1] SMP\nCPU 1\n"
        "Modules linked in: mod\nPid: 58, comm: init Not tainted 2.6.16 #1\n"
        "RIP: 0010:[<ffffffff880b4f34>] <ffffffff880b4f34>{:mod:culprit+52}\n"
        "RSP: 0018:ffff81003f5f9e58  EFLAGS: 00010246\nRAX: 0000000000000000 RBX: 0000000000000001\n"
        "Process init (pid: 58, threadinfo ffff81003f5f8000, task ffff81003f5f0000)\n"
        "Stack: 0000 0001\nCall Trace: <ffffffff8013a4b8>{caller+40} <ffffffff8013b4b8>{outer+40}\n\n"
        "Code: 8b 40 08\n"),
        NULL + "culprit", "culprit", 58, ("caller", "outer"),
    ),
    "x86-64-2.6.32": (
        ("BUG: unable to handle kernel NULL pointer dereference at 0000000000000008\n"
        "IP: [<ffffffffa0123f34>] culprit+0x34/0x60 [mod]\nPGD 1f3f067 PUD 0\nOops: 0000 [#1] SMP\n"
        "last sysfs file: /sys/devices/system/cpu/cpu1/cache/index2/shared_cpu_map\nCPU 1\n"
        "Modules linked in: mod\n\nPid: 58, comm: init Not tainted 2.6.32-71.el6.x86_64 #1 KVM\n"
        "RIP: 0010:[<ffffffffa0123f34>]  [<ffffffffa0123f34>] culprit+0x34/0x60 [mod]\n"
        "RSP: 0018:ffff88003f5f9e58  EFLAGS: 00010246\n"
        "Process init (pid: 58, threadinfo ffff88003f5f8000, task ffff88003f5f0000)\n"
        "Stack:\n 0000 0001\n<0> 0000 0002\nCall Trace:\n [<ffffffffa0123fb8>] caller+0x28/0x60 [mod]\n"
        " [<ffffffff8113b4b8>] ? ghost+0x28/0x60\n [<ffffffff8113b5b8>] outer+0x28/0x60\n"
        "Code: 8b 40 08\nRIP  [<ffffffffa0123f34>] culprit+0x34/0x60 [mod]\n RSP <ffff88003f5f9e58>\n"
        "CR2: 0000000000000008\n---[ end trace 1 ]---\n"),
        NULL + "culprit", "culprit", 58, ("caller", "outer"),
    ),
    "i386-5": (
        "BUG: kernel NULL pointer dereference, address: 00000008\n#PF: supervisor read access\n"
        "*pde = 00000000\nOops: 0000 [#1] SMP\n" + CPU + "EIP: culprit+0x34/0x60 [mod]\nCode: 8b 40\n"
        "EAX: 00000000 EBX: 00000001 ECX: 00000002 EDX: 00000003\nDS: 007b ES: 007b FS: 00d8 GS: 0000\n"
        "CR0: 80050033 CR2: 00000008\nCall Trace:\n caller+0x28/0x60 [mod]\n outer+0x28/0x60\n"
        "EIP: 0xb7f1a549\n---[ end trace 0000000000000000 ]---\n",
        NULL + "culprit", "culprit", 58, ("caller", "outer"),
    ),
    "x86-null-call": (
        "BUG: kernel NULL pointer dereference, address: 0000000000000000\n"
        "#PF: supervisor instruction fetch in kernel mode\nOops: 0010 [#1] SMP\n" + CPU +
        "RIP: 0010:0x0\nCode: Unable to access opcode bytes at RIP 0xffffffffffffffd6.\n"
        "RSP: 0018:0 EFLAGS: 0\nCall Trace:\n <TASK>\n ? ghost+0x1/0x2\n caller+0x10/0x20 [mod]\n"
        " outer+0x3/0x4\n </TASK>\n---[ end trace 0000000000000000 ]---\n",
        NULL + "caller", None, 58, ("caller", "outer"),
    ),
    "beyond-its-symbol": (
        "BUG: kernel NULL pointer dereference, address: 0000000000000000\nOops: 0000 [#1] SMP\n" + CPU +
        "RIP: 0010:unrelated+0x65a8/0x940 [mod]\nCall Trace:\n unrelated+0x65a8/0x940 [mod]\n"
        " caller+0x10/0x20 [mod]\n outer+0x3/0x4\n---[ end trace 0000000000000000 ]---\n",
        NULL + "caller", None, 58, ("caller", "outer"),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", OOPSES)
def test_oops_of_each_architecture(name: str) -> None:
    text, title, function, pid, frames = OOPSES[name]
    facts = parse_dump(("boot\n" * 3 + text).encode(), "Oops", 1)
    reliable = tuple(frame.function for frame in facts.trace if frame.reliable)
    assert facts.title == title
    assert facts.ip is not None
    assert (facts.ip.function, facts.pid, facts.comm) == (function, pid, "init")
    assert reliable[: len(frames)] == frames
    assert facts.found
    assert facts.signature
    assert facts.span is not None
    body = text.rstrip().split("\n")
    if "end trace" in text:
        assert (facts.span.first_line, facts.span.last_line) == (3, 2 + len(body))
    assert parse_console(text.encode()).crashed


@pytest.mark.parametrize("name", OOPSES)
def test_what_ends_in_an_oops_without_its_first_lines_is_no_other_report(name: str) -> None:
    text, _, function, _, _ = OOPSES[name]
    for cut in range(1, text.count("\n") // 2):
        rest = "\n".join(text.split("\n")[cut:])
        facts = parse_dump(rest.encode(), "Oops", 1)
        assert facts.ip is None or facts.ip.function in (function, None), cut
        assert not facts.others, cut


STOPPED = (
    "CPU1: stopping\nCPU: 1 PID: 0 Comm: swapper/1 Tainted: G      D W          6.1.192 #2\n"
    "Hardware name: Generic DT based system\n unwind_backtrace from show_stack+0x10/0x14\n"
    " show_stack from do_handle_IPI+0xec/0x114\n do_handle_IPI from arch_cpu_idle+0x38/0x3c\n"
)
PANIC = "Kernel panic - not syncing: "
TAIL = (
    "SMP: stopping secondary CPUs\nKernel Offset: 0x1fd2200000 from 0xffffffc008000000\n"
    "PHYS_OFFSET: 0x40000000\nCPU features: 0x000000,00170017,8200540b\nMemory Limit: 224 MB\n"
)
INIT = (
    "Unable to handle kernel NULL pointer dereference at virtual address 0000000000000018\n"
    "Internal error: Oops: 96000004 [#1] PREEMPT SMP\n"
    "CPU: 7 PID: 1 Comm: init Not tainted 6.0.0 #1\npc : culprit+0x28/0x32c\nCall trace:\n"
    " culprit+0x28/0x32c\n caller+0x1b0/0x3d0\n---[ end trace 0000000000000000 ]---\n"
)

#: Text, title, PID, the first line of the report and the last one.
PANICS = {
    "stopped-others": (
        f"sysrq: Trigger a crash\n{PANIC}sysrq triggered crash\n" + STOPPED,
        "kernel panic: sysrq triggered crash", None, "sysrq: Trigger a crash", PANIC + "sysrq",
    ),
    "arm64-tail": (
        f"{PANIC}dumptest\n" + TAIL, "kernel panic: dumptest", None, PANIC, "Memory Limit: 224 MB",
    ),
    "init-killed-by-an-oops": (
        INIT + f"{PANIC}Attempted to kill init! exitcode=0x0000000b\n" + TAIL,
        NULL + "culprit", 1, "Unable to handle", "Memory Limit",
    ),
    "init-killed-by-itself": (
        INIT + f"{PANIC}Attempted to kill init! exitcode=0x00000b00\n",
        "kernel panic: Attempted to kill init!", None, PANIC, PANIC,
    ),
    "init-killed-long-after-an-oops": (
        INIT + "line\n" * 50 + f"{PANIC}Attempted to kill init! exitcode=0x0000000b\n",
        "kernel panic: Attempted to kill init!", None, PANIC, PANIC,
    ),
    "idle-killed": (
        INIT + f"{PANIC}Attempted to kill the idle task!\n", NULL + "culprit", 1, "Unable", PANIC,
    ),
    "interrupt-killed": (
        INIT + f"{PANIC}Aiee, killing interrupt handler!\n", NULL + "culprit", 1, "Unable", PANIC,
    ),
    "serror": (
        "SError Interrupt on CPU3, code 0x00000000bf000002 -- SError\n" + CPU
        + "pc : el1_interrupt+0x20/0x70\n"
        f"{PANIC}Asynchronous SError Interrupt\n" + CPU + "Call trace:\n"
        " dump_backtrace+0x1/0x2\n panic+0x1/0x2\n arm64_serror_panic+0x6c/0x88\n"
        " do_serror+0x44/0x80\n el1h_64_error_handler+0x30/0x48\n el1h_64_error+0x68/0x70\n"
        " el1_interrupt+0x20/0x70\n culprit+0x1ba0/0x3950 [nouveau]\n",
        "SError Interrupt in culprit", 58, "SError Interrupt on CPU3", " culprit",
    ),
    "arm64-stack-overflow": (
        "Insufficient stack space to handle exception!\nESR: 0x0000000096000047 -- DABT (current EL)\n"
        "FAR: 0xffffffc0085d3ff0\nTask stack:     [0xffffffc0085d4000..0xffffffc0085d8000]\n"
        "IRQ stack:      [0xffffffc008000000..0xffffffc008004000]\n"
        "Overflow stack: [0xffffff800df9d2f0..0xffffff800df9e2f0]\n"
        + ARM64_REGISTERS.format(pc="recursive_loop+0x14/0x70 [mod]", lr="recursive_loop+0x58/0x70 [mod]")
        + f"{PANIC}kernel stack overflow\n" + CPU + "Call trace:\n dump_backtrace+0x1/0x2\n"
        " show_stack+0x30/0x40\n panic+0x17c/0x35c\n panic_bad_stack+0x1/0x2\n handle_bad_stack+0x30/0x40\n"
        " __bad_stack+0x90/0x94\n recursive_loop+0x14/0x70 [mod]\n" + TAIL,
        "kernel stack overflow in recursive_loop", 58, "Insufficient", "Memory Limit",
    ),
    "riscv-stack-overflow": (
        "Insufficient stack space to handle exception!\nTask stack:     [0xff20..0xff21]\n"
        "Overflow stack: [0xff60..0xff61]\n" + CPU + "epc : recursive_loop+0x14/0x70 [mod]\n"
        " ra : recursive_loop+0x58/0x70 [mod]\nepc : ffffffff00cef266 ra : ffffffff00cf1b70 sp : ff2\n"
        f"{PANIC}Kernel stack overflow\n" + CPU + "Call Trace:\n[<ffffffff8000565c>] dump_backtrace+0x1c/0x24\n"
        "[<ffffffff802e7fbc>] panic+0x10c/0x30c\n[<ffffffff8008afe8>] handle_bad_stack+0x10/0x2e\n",
        "kernel stack overflow in recursive_loop", 58, "Insufficient", "[<ffffffff8008afe8>]",
    ),
    "s390-stack-overflow": (
        "Kernel stack overflow.\n" + CPU + "Hardware name: QEMU 8561 QEMU (KVM/Linux)\n"
        "Krnl PSW : 0704e00180000000 000003ff7ff00a98 (recursive_loop+0x8/0x10 [mod])\nCall Trace:\n"
        " [<000003ff7ff00a98>] recursive_loop+0x8/0x10 [mod] \nLast Breaking-Event-Address:\n"
        f" [<000003ff7ff030b6>] other+0x16/0x18 [mod]\n{PANIC}Corrupt kernel stack, can't continue.\n",
        "kernel stack overflow in recursive_loop", 58, "Kernel stack overflow.", PANIC,
    ),
    "powerpc-hard-lockup": (
        "watchdog: CPU 0 detected hard LOCKUP on other CPUs 1\n"
        "watchdog: CPU 0 TB:5872913452, last SMP heartbeat TB:739125 (11000ms ago)\n"
        "watchdog: CPU 1 Hard LOCKUP\nwatchdog: CPU 1 TB:58, last heartbeat TB:22 (15000ms ago)\n"
        + powerpc("", "[c0080000001105f8] spinner+0x18/0x28 [mod]").replace("---[ end", "--- end")
        + f"{PANIC}Hard LOCKUP\nCPU: 0 PID: 0 Comm: swapper/0 Not tainted 6.1.192 #2\nCall Trace:\n"
        "[c000000001193d40] [c00000000043dfbc] dump_stack_lvl+0x70/0xa0 (unreliable)\n",
        "Watchdog detected hard LOCKUP in spinner", 58, "watchdog: CPU 0", "[c000000001193d40]",
    ),
    "arm64-soft-lockup": (
        "watchdog: BUG: soft lockup - CPU#1 stuck for 26s! [init:58]\nModules linked in: mod\n"
        + ARM64_REGISTERS.format(pc="lkdtm_SOFTLOCKUP+0x1c/0x20 [lkdtm]", lr="lkdtm_do_action+0x34/0x40 [lkdtm]")
        + "Call trace:\n lkdtm_SOFTLOCKUP+0x1c/0x20 [lkdtm]\n lkdtm_do_action+0x34/0x40 [lkdtm]\n"
        " direct_entry+0x134/0x150 [lkdtm]\n full_proxy_write+0x6c/0xa0\n vfs_write+0xb4/0x2dc\n"
        f"{PANIC}softlockup: hung tasks\n" + CPU + "Call trace:\n dump_backtrace.part.0+0xc8/0xd4\n",
        "BUG: soft lockup in lkdtm_SOFTLOCKUP", 58, "watchdog: BUG", " dump_backtrace",
    ),
    "arm-hung-task": (
        "INFO: task init:58 blocked for more than 4 seconds.\n      Not tainted 6.1.192 #2\n"
        '"echo 0 > /proc/sys/kernel/hung_task_timeout_secs" disables this message.\n'
        "task:init            state:D stack:0     pid:58    ppid:1      flags:0x00000000\n"
        " __schedule from schedule+0x64/0xcc\n schedule from sleeper+0x18/0x1c [mod]\n"
        " sleeper [mod] from caller+0x124/0x144 [mod]\n"
        f"{PANIC}hung_task: blocked tasks\nCPU: 0 PID: 22 Comm: khungtaskd Not tainted 6.1.192 #2\n"
        "Hardware name: Generic DT based system\n unwind_backtrace from show_stack+0x10/0x14\n"
        " show_stack from panic+0x104/0x364\n panic from watchdog+0x2f4/0x300\n" + STOPPED,
        "INFO: task hung in sleeper", 58, "INFO: task", " panic from",
    ),
    "arm-warning": (
        "------------[ cut here ]------------\n"
        "WARNING: CPU: 1 PID: 58 at drivers/misc/lkdtm/bugs.c:108 culprit+0x20/0x28 [mod]\n"
        f"Modules linked in: mod\n{PANIC}kernel: panic_on_warn set ...\n" + CPU
        + " unwind_backtrace from show_stack+0x10/0x14\n show_stack from panic+0x104/0x364\n"
        " panic from __warn+0x1b0/0x1b8\n __warn from warn_slowpath_fmt+0x6c/0xc0\n"
        " warn_slowpath_fmt from culprit+0x20/0x28 [mod]\n culprit [mod] from caller+0x1/0x2\n",
        "WARNING in culprit", 58, "------------[ cut", " culprit [mod] from",
    ),
    "s390-soft-lockup": (
        "watchdog: BUG: soft lockup - CPU#1 stuck for 26s! [init:58]\nModules linked in: mod\n" + CPU
        + "Krnl PSW : 0704e00180000000 000003ff7ff00a98 (spinner+0x8/0x10 [mod])\n"
        "           R:0 T:1 IO:1 EX:1 Key:0 M:1 W:0 P:0 AS:3 CC:2 PM:0 RI:0 EA:3\nCall Trace:\n"
        " [<000003ff7ff00a98>] spinner+0x8/0x10 [mod] \n([<000003ff7ff00932>] caller+0x1/0x2 [mod])\n"
        f"Last Breaking-Event-Address:\n [<000003ff7ff030b6>] other+0x16/0x18\n{PANIC}softlockup: hung tasks\n",
        "BUG: soft lockup in spinner", 58, "watchdog: BUG", PANIC,
    ),
    "riscv-rcu-stall": (
        "rcu: INFO: rcu_sched self-detected stall on CPU\nrcu: \t1-....: (5249 ticks this GP) idle=d\n"
        "rcu: \t(t=5250 jiffies g=-1091 q=12 ncpus=2)\n" + CPU + "epc : spinner+0x14/0x70 [mod]\n"
        " ra : caller+0x58/0x70 [mod]\nepc : ffffffff00cef266 ra : ffffffff00cf1b70 sp : ff2\n"
        "[<ffffffff00cef266>] spinner+0x14/0x70 [mod]\n[<ffffffff00cf1b70>] caller+0x58/0x70 [mod]\n"
        f"{PANIC}RCU Stall\n",
        "INFO: rcu detected stall in spinner", 58, "rcu: INFO", PANIC,
    ),
    "arm64-user-code": (
        arm64(
            "Unable to handle kernel execution of user memory at virtual address 0000ffff8c7d6000\n"
            "Internal error: Oops: 000000008600000f [#1] SMP\n",
            pc="0xffff8c7d6000",
        )
        + f"{PANIC}Oops: Fatal exception\n",
        "BUG: unable to handle kernel execution of user memory in caller", 58, "Unable", PANIC,
    ),
    "parisc": (
        OOPSES["parisc"][0].replace("---[ end trace 0000000000000000 ]---\n", "") + f"{PANIC}Kernel Fault\n",
        "Kernel Fault in culprit", 58, "Kernel Fault: Code=15", PANIC,
    ),
    "machine-check": (
        ("mce: [Hardware Error]: CPU 0: Machine Check Exception: 5 Bank 5: be00000000800400\n"
        "mce: [Hardware Error]: RIP !INEXACT! 10:<ffffffff8137ccf8> {intel_idle+0xe8/0x180}\n"
        "mce: [Hardware Error]: Machine check: Processor context corrupt\n"
        f"{PANIC}Fatal Machine check\n"),
        "kernel panic: Fatal Machine check", None, "mce: [Hardware Error]: CPU 0", PANIC,
    ),
    "ghes": (
        ("{1}[Hardware Error]: Hardware error from APEI Generic Hardware Error Source: 0\n"
        "{1}[Hardware Error]: event severity: fatal\n"
        f"{PANIC}Fatal hardware error!\nCPU: 3 PID: 0 Comm: swapper/3 Not tainted 6.1.192 #2\n"),
        "kernel panic: Fatal hardware error!", 0, "{1}[Hardware Error]: Hardware", "CPU: 3",
    ),
    "device-timeout": (
        "x_pci 0000:01:00.0: **** DPM device timeout ****\ntask:systemd-sleep state:D stack:0 pid:3123\n"
        "Call Trace:\n __schedule+0x35d/0x1380\n schedule+0x5d/0xe0\n waiter+0x1/0x2\n"
        f"{PANIC}x_pci 0000:01:00.0: unrecoverable failure\n" + CPU,
        "kernel panic: x_pci 0000:01:00.0: unrecoverable failure", 58, "x_pci 0000:01:00.0: ****", "CPU: 1",
    ),
    "file-system": (
        ("EXT4-fs error (device sda1): ext4_find_entry:1455: inode #2: comm ls: reading directory lblock 0\n"
        f"{PANIC}EXT4-fs (device sda1): panic forced after error\n" + CPU),
        "kernel panic: EXT4-fs (device sda1): panic forced after error", 58, "EXT4-fs error (device", "CPU: 1",
    ),
    "file-system-fat": (
        ("FAT-fs (sda1): error, fat_get_cluster: invalid cluster chain (i_pos 0)\n"
        f"{PANIC}FAT-fs (sda1): fs panic from previous error\n" + CPU),
        "kernel panic: FAT-fs (sda1): fs panic from previous error", 58, "FAT-fs (sda1): error", "CPU: 1",
    ),
    "warning-by-its-trace": (
        "RIP: 0010:culprit+0x10f3/0x1260\nCall Trace:\n <TASK>\n ? __warn+0x81/0x130\n"
        f" caller+0x1b2/0x660\n </TASK>\n{PANIC}kernel: panic_on_warn set ...\n" + CPU,
        "WARNING in culprit", 58, "RIP: 0010", "CPU: 1",
    ),
    "warning-in-the-panic-itself": (
        f"{PANIC}panic_on_warn set ...\n" + CPU + "Call Trace:\n dump_stack+0x1/0x2\n panic+0x1/0x2\n"
        " __warn.cold+0x1/0x2\n report_bug+0x1/0x2\n invalid_op+0x1/0x2\n"
        "RIP: 0010:culprit+0x1/0x2\n caller+0x1/0x2\n",
        "WARNING in culprit", 58, PANIC, " caller",
    ),
    "registers-again": (
        ("PKRU: 55555554\nCall Trace:\nModules linked in: r8152\n---[ end trace d76b60500c18efde ]---\n"
        f"RIP: 0010:culprit+0x329/0x480\n{PANIC}Fatal exception\n"),
        "kernel panic: Fatal exception in culprit", None, "Call Trace:", PANIC,
    ),
    "line-pushed-out": (
        ("NIP [c0080000001105f8] culprit+0x18/0x28 [mod]\nLR [c008000000113ed8] caller+0x48/0x68 [mod]\n"
        "Call Trace:\n[c0000000022afbd0] [c0000000000f57dc] _printk+0x38/0x4c (unreliable)\n"
        "[c0000000022afbf0] [c0080000001103c4] caller+0x14c/0x170 [mod]\nInstruction dump:\n"
        "39290001 912a0000 7c210b78\nGPR16: 00000000008dd6b0 00000000008dd7f8\n"
        "[c000000001193dc0] [c0000000000177a4] arch_cpu_idle+0x44/0x140\n"),
        "kernel panic in culprit", None, "NIP [", "[c000000001193dc0]",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", PANICS)
def test_panic_of_each_kind_is_called_after_its_cause(name: str) -> None:
    text, title, pid, first, last = PANICS[name]
    facts = parse_dump(("boot\n" * 3 + text).encode(), "Panic", 1)
    assert facts.title == title
    assert facts.pid == pid
    assert facts.span is not None
    own = ("boot\n" * 3 + text).encode()[facts.span.start : facts.span.end].decode().split("\n")
    assert own[0].startswith(first)
    assert own[-1].startswith(last)
    assert not any("without its beginning" in other.title for other in facts.others)
    if PANIC in text:
        assert facts.panic == text.partition(PANIC)[2].partition("\n")[0]


@pytest.mark.parametrize(
    "text",
    [
        "Call Trace:\n dump_stack+0x6b/0x83\n show_workqueue_state+0x1/0x2\n",
        "Unhandled fault: alignment exception (0x001) at 0xbe000001\npgd = c0\n[be000001] *pgd=0\n",
        "Modules linked in: a b\nCPU: 1 PID: 58 Comm: init Not tainted 6.1.192 #2\n",
    ],
)
def test_what_is_no_report_is_not_called_one(text: str) -> None:
    facts = parse_console(text.encode())
    assert (facts.title, facts.crashed, facts.span) == ("no report in the text", False, None)


def test_what_an_interrupt_interrupted_is_said_to_be_that() -> None:
    text = (
        f"{PANIC}Hard LOCKUP\nCPU: 3 PID: 0 Comm: swapper/3 Not tainted 6.1.192 #2\nCall Trace:\n"
        " <NMI>\n dump_stack_lvl+0x1/0x2\n panic+0x1/0x2\n nmi_panic+0x1/0x2\n"
        "RIP: 0010:intel_idle+0x64/0xb0\n </NMI>\n <TASK>\n cpuidle_enter+0x1/0x2\n"
    )
    facts = parse_dump(text.encode(), "Panic", 1)
    assert facts.interrupted
    assert facts.ip is not None
    assert facts.ip.function == "intel_idle"
    assert not parse_dump(OOPSES["x86-null-call"][0].encode(), "Oops", 1).interrupted


def test_who_called_a_bare_address_is_known_by_a_register() -> None:
    for name in ("arm-null-call", "arm64-null-call", "mips-null-call", "powerpc-fetch"):
        facts = parse_dump(OOPSES[name][0].encode(), "Oops", 1)
        assert facts.caller is not None
        assert facts.caller.function == "caller"


ARM64_REGISTERS = (
    "CPU: 1 PID: 42 Comm: cp Not tainted 6.6.31 #1\npc : culprit+0x1/0x20\nlr : caller+0x1/0x20\n"
    "Call trace:\n culprit+0x1/0x20\n caller+0x1/0x20\n outer+0x1/0x20\n"
)
#: One bug in the words of several machines, or without its first line.
ONE_BUG = {
    "kernel BUG in culprit": (
        "kernel BUG at fs/a.c:1!\nInternal error: Oops - BUG: 0 [#1] SMP\n" + ARM64_REGISTERS,
        "Internal error: Oops - BUG: 00000000f2000800 [#1] SMP\n" + ARM64_REGISTERS,
        "Oops - BUG[#1]:\n" + ARM64_REGISTERS,
    ),
    "UBSAN: array-index-out-of-bounds in culprit": (
        "UBSAN: array-index-out-of-bounds in fs/a.c:1:2\nindex 9 is out of range\n"
        + ARM64_REGISTERS.replace("pc :", "x :").replace("lr :", "x :"),
        "Internal error: UBSAN: array index out of bounds: 00000000f2005512 [#1] SMP\n"
        + ARM64_REGISTERS,
    ),
    # Who waits: the scheduler, which one machine shows more of than another, is in no path.
    "INFO: task hung in culprit": tuple(
        f"INFO: task cp:42 blocked for more than 120 seconds.\nCall Trace:\n{scheduler}"
        " culprit+0x1/0x20\n caller+0x1/0x20\n outer+0x1/0x20\n first+0x1/0x20\n last+0x1/0x20\n"
        for scheduler in (
            " __schedule+0x1/0x20\n schedule+0x1/0x20\n",
            " __switch_to+0x1/0x20\n __schedule+0x1/0x20\n schedule+0x1/0x20\n",
        )
    ),
}


@pytest.mark.parametrize("title", ONE_BUG)
def test_one_bug_has_its_signatures_on_every_machine(title: str) -> None:
    facts = [parse_console(text.encode()) for text in ONE_BUG[title]]
    assert {each.title for each in facts} == {title}
    assert len({(each.error_class, each.signature, each.stack) for each in facts}) == 1
    assert facts[0].stack


@pytest.mark.parametrize(
    ("first", "message", "title"),
    [
        (
            "Bad mode in Error handler detected on CPU1, code 0xbf000002 -- SError",
            "bad mode",
            "Bad mode in culprit",
        ),
        (
            "Unhandled 64-bit el1h sync exception on CPU1, ESR 0x0000000002000000 -- Unknown",
            "Unhandled exception",
            "Unhandled 64-bit el1h sync exception in culprit",
        ),
    ],
)
def test_an_exception_that_arm64_has_no_handler_for_is_the_panics_cause(
    first: str, message: str, title: str
) -> None:
    panic = f"Kernel panic - not syncing: {message}\n"
    text = f"{first}\n{ARM64_REGISTERS.split('Call')[0]}{panic}{ARM64_REGISTERS}".encode()
    for facts in (parse_dump(text, "Panic", 1), parse_console(text)):
        assert (facts.title, facts.panic, facts.crashed or facts.found) == (title, message, True)
        assert facts.signature
