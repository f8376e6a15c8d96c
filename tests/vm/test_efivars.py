"""Dumps in the firmware's variables, through efivarfs of a real kernel: listed, saved, freed."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.vm import machine
from tests.vm.machine import Kernel, boot

pytestmark = [pytest.mark.timeout(900), pytest.mark.slow]

JOB = """\
mount -t ext4 /dev/vda /var/lib/pstorefs
chmod 700 /var/lib/pstorefs
rmmod efi_pstore
modprobe efivarfs
vars=/sys/firmware/efi/efivars
mount -t efivarfs efivarfs $vars
ls $vars | grep -v ^dump-type > /out/others
ls $vars | grep -c ^dump-type > /out/dumps
pstorefs --list $vars > /out/list
pstorefs --archive -o archive=/var/lib/pstorefs $vars > /out/archived
ls $vars | grep -v ^dump-type > /out/others-after
ls $vars | grep -c ^dump-type > /out/dumps-after || true
pstorefs --list > /out/list-after
"""


@pytest.fixture(scope="session")
def kernel() -> Kernel:
    machine.niced()
    return machine.debian_kernel()


def test_the_variables_of_dumps_are_saved_and_freed_and_no_other(
    kernel: Kernel, tmp_path: Path
) -> None:
    store = machine.efi(tmp_path / "variables", "efi-lz4")
    result = boot(kernel, JOB, tmp_path, store, extra=machine.disk(tmp_path / "disk"))
    assert result.status == 0, result.explain()
    assert int(result.lines("dumps")[0]) > 5
    listed = result.lines("list")
    assert any("lkdtm" in line or "kernel panic" in line for line in listed)
    assert len(result.lines("archived")) == len(listed)
    assert result.lines("dumps-after") == ["0"]
    assert result.lines("others-after") == result.lines("others") != []
    assert [line.split()[1] for line in result.lines("list-after")] == [
        line.split()[1] for line in listed
    ]
