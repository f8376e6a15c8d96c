"""Why a stock Debian was booted: real ends of real boots, with its own wtmp and journal."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.vm import distribution, machine
from tests.vm.machine import Kernel

SHOW = "pstorefs /mnt; sed -n '/^Last reboot/,/^$/p' /mnt/status > /out/shown; umount /mnt; sync\n"
WAIT = "; sleep 600"
RESET = "echo 1 >/proc/sys/kernel/sysrq; sleep 3; echo b >/proc/sysrq-trigger"
# How a boot ends, and what the next one says of that, and by which source.
ENDS = [
    ("systemctl --no-block reboot" + WAIT, "orderly reboot", "wtmp"),
    # Nothing of that is in wtmp.
    ("systemctl --no-block --force reboot" + WAIT, "orderly reboot", "journal"),
    (RESET + WAIT, "power lost or hard reset", "wtmp and journal"),
]


@pytest.fixture(scope="module")
def kernel() -> Kernel:
    machine.niced()
    return machine.debian_kernel()


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_a_boot_says_how_the_one_before_ended(kernel: Kernel, tmp_path: Path) -> None:
    store = machine.Store(())
    image = distribution.disk_image(kernel, tmp_path)
    first = distribution.boot(kernel, image, SHOW + ENDS[0][0], tmp_path, store)
    assert "not known" in first.lines("shown")[0], first.explain()
    after = [end for end, _, _ in ENDS[1:]] + ["true"]
    for (_, answer, source), end in zip(ENDS, after, strict=True):
        boot = distribution.boot(kernel, image, SHOW + end, tmp_path, store)
        assert (boot.out / "shown").exists(), boot.explain()
        shown = boot.lines("shown")
        assert f": {answer}" in shown[0]
        # Debian 13 has no wtmp.
        assert shown[1].startswith((f"  {source}, ", "  journal, "))
