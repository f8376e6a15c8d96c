"""A crash made by `pstorefs --check --crash`, in a guest with a real ERST: the whole chain."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.vm import machine
from tests.vm.machine import Kernel, boot

pytestmark = [pytest.mark.timeout(900), pytest.mark.slow]

MOUNT = """\
mkdir -p /dev/pts
mount -t devpts devpts /dev/pts
mount -t ext4 /dev/vda /var/lib/pstorefs
chmod 700 /var/lib/pstorefs
echo victim > /proc/sys/kernel/hostname
"""
# It asks on a terminal: one is made for it, and answered.
ASKED = """\
cat > /tmp/answer <<'END'
import os, pty, sys
child, terminal = pty.fork()
if child == 0:
    os.execvp("pstorefs", ["pstorefs", "--check", "--crash"])
said = b""
for question, answer in ((b"to go on: ", b"victim\\n"), (b"crash it: ", b"crash\\n")):
    while question not in said:
        said += os.read(terminal, 1024)
    os.write(terminal, answer)
while True:
    os.read(terminal, 1024)
END
pstorefs --check > /out/before
sync
python3 /tmp/answer
"""
AFTERWARDS = """\
pstorefs --check > /out/after || true
pstorefs /mnt/crashes
cat /mnt/crashes/status > /out/seen
pstorefs --archive > /out/archived
pstorefs --check > /out/saved
"""


@pytest.fixture(scope="session")
def kernel() -> Kernel:
    machine.niced()
    return machine.debian_kernel()


def test_the_record_of_a_test_crash_is_found_after_the_reboot(
    kernel: Kernel, tmp_path: Path
) -> None:
    store, extra = machine.erst(tmp_path / "erst"), machine.disk(tmp_path / "disk")
    first = boot(kernel, MOUNT + ASKED, tmp_path, store, extra=extra)
    assert first.status is None, first.explain()
    assert "sysrq triggered crash" in first.console, first.explain()
    assert first.lines("before")[-1] == "The next crash will be recorded."
    second = boot(kernel, MOUNT + AFTERWARDS, tmp_path, store, extra=extra)
    assert second.status == 0, second.explain()
    proof = re.compile(r"The test crash of \S+ was recorded: dumps/\S+-panic-1\.")
    after = second.lines("after")
    assert proof.fullmatch(after[-1]), after
    assert any(line.startswith("unsure  room") for line in after)  # the record takes room
    assert any(map(proof.fullmatch, second.lines("seen")))
    saved = second.lines("saved")
    assert proof.fullmatch(saved[-1]), saved
    assert saved[-2] == "The next crash will be recorded."
