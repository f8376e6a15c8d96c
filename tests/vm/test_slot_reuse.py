"""A slot of ramoops that holds an old record for the eye and a new one for the kernel.

ramoops erases by slot number, and after a boot it writes into slot 0 first: the file
dmesg-ramoops-0 may show last week's panic while the slot has the oops of a minute ago already.
"""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.vm import machine
from tests.vm.machine import Boot, Kernel, boot
from tests.vm.test_real_kernel import CRASH, DISK, done, kernel

__all__ = ["kernel"]  # a fixture
pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

OOPS = """\
insmod /out/provoke.ko || true
dmesg | grep provoke_init > /out/oops
"""
ARCHIVE = f"""\
echo '{DISK}' > /etc/fstab
mount -a
pstorefs --archive > /out/said 2>&1 && echo 0 > /out/exit || echo $? > /out/exit
ls /sys/fs/pstore > /out/left
cat /var/lib/pstorefs/*/dmesg.txt > /out/archived
"""


def test_a_slot_that_a_new_oops_stands_in_is_not_erased(kernel: Kernel, tmp_path: Path) -> None:
    files = {"provoke.ko": machine.oops_module(kernel)}
    old = machine.ramoops(tmp_path / "ram")
    first = boot(kernel, CRASH.format(name="old"), tmp_path, old)
    assert "Kernel panic" in first.console, first.explain()

    def second_life(name: str, job: str) -> tuple[Boot, list[str], str]:
        """What a boot that oopses and then does a job leaves to the next one."""
        shutil.copy(tmp_path / "ram", tmp_path / name)
        store = machine.ramoops(tmp_path / name)
        extra = machine.disk(tmp_path / f"disk-{name}")
        result = done(boot(kernel, OOPS + job, tmp_path, store, extra=extra, files=files))
        assert result.lines("oops"), result.explain()
        show = "cd /sys/fs/pstore; ls > /out/names; cat dmesg-* > /out/text || true"
        after = done(boot(kernel, show, tmp_path, store))
        names = [name for name in after.lines("names") if name.startswith("dmesg-")]
        return result, names, (after.out / "text").read_text(errors="replace")

    # The danger is real: with rm, the new oops is gone.
    _, names, _ = second_life("careless", "rm /sys/fs/pstore/dmesg-ramoops-0")
    assert names == []

    result, names, text = second_life("ours", ARCHIVE)
    assert "vm: the last words of old" in (result.out / "archived").read_text()
    assert result.lines("exit") == ["3"]
    assert "this kernel has oopsed since boot" in (result.out / "said").read_text()
    assert "dmesg-ramoops-0" in result.lines("left")
    assert names == ["dmesg-ramoops-0"]
    assert "provoke_init" in text

    # In the next life there is no oops yet: archived and cleared.
    store = machine.ramoops(tmp_path / "ours")
    extra = machine.disk(tmp_path / "disk-ours")
    result = done(boot(kernel, ARCHIVE, tmp_path, store, extra=extra))
    assert result.lines("exit") == ["0"], (result.out / "said").read_text()
    assert not [name for name in result.lines("left") if name.startswith("dmesg-")]
    archived = (result.out / "archived").read_text()
    assert "vm: the last words of old" in archived
    assert "provoke_init" in archived
