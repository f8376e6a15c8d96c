"""The fleet's units under a real systemd: a crash, a reset without a record, and who looks."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.vm import distribution, machine
from tests.vm.machine import ROOT, Boot, Kernel

SPOOL = "/srv/pstorefs"
#: What docs/fleet.md tells an administrator to write with `systemctl edit`, but for the group of
#: Prometheus, which the guest has not.
DROP_INS = [
    text
    for text in re.findall(
        r"^ +# systemctl edit pstorefs-ship\.service\n((?: +.+\n)+)",
        (ROOT / "docs" / "fleet.md").read_text(),
        re.MULTILINE,
    )
    if "prometheus" not in text
]
SET_UP = f"""\
mkdir -p /etc/pstorefs {SPOOL}
chgrp adm {SPOOL}
chmod 3770 {SPOOL}
printf 'url = file://{SPOOL}\\nunclean = yes\\nwindow = 0\\n' > /etc/pstorefs/ship.conf
printf 'url = file://{SPOOL}\\n' > /etc/pstorefs/fleet.conf
mkdir -p /etc/systemd/system/pstorefs-ship.service.d
cp /out/*.conf /etc/systemd/system/pstorefs-ship.service.d
systemctl daemon-reload
systemctl -q enable pstorefs-archive.service pstorefs-ship.timer pstorefs-fleet.service
"""
CRASH = "echo 1 > /proc/sys/kernel/sysrq; sync; echo c > /proc/sysrq-trigger; sleep 60\n"
RESET = "echo 1 > /proc/sys/kernel/sysrq; sync; sleep 3; echo b > /proc/sysrq-trigger; sleep 60\n"
SHIP = f"""\
systemctl start pstorefs-ship.service
systemctl show -P Result pstorefs-ship.service > /out/result
journalctl -b -o cat -u pstorefs-ship.service > /out/said
find {SPOOL} -type f -path '*/index/*' > /out/index
systemctl is-active pstorefs-ship.timer > /out/timer
"""
LOOK = """\
systemctl is-active pstorefs-fleet.service > /out/active
findmnt -no FSTYPE /mnt/fleet > /out/mounted
cat /mnt/fleet/status > /out/status
grep -rh 'sysrq triggered crash' /mnt/fleet/signatures > /out/found
systemctl stop pstorefs-fleet.service
findmnt -no FSTYPE /mnt/fleet > /out/stopped || true
systemctl --failed --plain --no-legend > /out/failed
"""


@pytest.fixture(scope="module")
def kernel() -> Kernel:
    machine.niced()
    return machine.debian_kernel()


def shipped(boot: Boot) -> list[str]:
    assert boot.lines("result") == ["success"], boot.explain() + (boot.out / "said").read_text()
    assert boot.lines("timer") == ["active"]
    return boot.lines("index")


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_the_units_ship_what_happened_and_show_it(kernel: Kernel, tmp_path: Path) -> None:
    store = machine.erst(tmp_path / "erst")
    image = distribution.disk_image(kernel, tmp_path)
    assert len(DROP_INS) == 2
    files = "".join(
        f"cat > /out/{number}.conf <<'END'\n{text}END\n" for number, text in enumerate(DROP_INS)
    )
    first = distribution.boot(kernel, image, files + SET_UP + CRASH, tmp_path, store)
    assert "Kernel panic" in first.console, first.explain()

    second = distribution.boot(kernel, image, SHIP + RESET, tmp_path, store)
    (crash,) = shipped(second)
    assert "panic" in Path(crash).name

    third = distribution.boot(kernel, image, SHIP + LOOK, tmp_path, store)
    assert third.status == 0, third.explain()
    assert set(shipped(third)) > {crash}
    assert len(third.lines("index")) == 2, "the reset that left no record is an entry of its own"
    assert third.lines("active") == ["active"]
    assert third.lines("mounted") == ["fuse.pstorefs"]
    assert third.lines("found")
    assert third.lines("stopped") == []
    assert third.lines("failed") == []
