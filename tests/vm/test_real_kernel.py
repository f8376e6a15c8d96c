"""Debian's kernel, real stores, real crashes, power that goes: pstorefs at home.

Each test is one life of a machine. They take minutes, so they are a stage of their own:
`tests/run vm`. Under TCG a boot takes about 40 seconds, half of it Python's start over 9p.
"""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from tests.records import capture, plain_name
from tests.vm import machine
from tests.vm.machine import Boot, Kernel, Store, boot

pytestmark = [pytest.mark.timeout(900), pytest.mark.slow]

FSTAB = "pstore /mnt/crashes pstorefs nofail,allow_other,gid=adm,umask=027 0 0"
DISK = "/dev/vda /var/lib/pstorefs ext4 defaults 0 2"
MOUNT = f"""\
printf '%s\\n' '{FSTAB}' > /etc/fstab
mount -a
"""
MOUNT_WITH_ARCHIVE = f"""\
printf '%s\\n' '{DISK}' '{FSTAB}' > /etc/fstab
mount -a
"""
TAKE = """\
cp -a /mnt/crashes/. /out/mount
ls /sys/fs/pstore > /out/kernel
"""
CRASH = """\
echo "<4>vm: the last words of {name}" > /dev/kmsg
echo 1 > /proc/sys/kernel/sysrq
sync
echo c > /proc/sysrq-trigger
sleep 60
"""
TITLE = "sysrq triggered crash"


@pytest.fixture(scope="session")
def kernel() -> Kernel:
    machine.niced()
    return machine.debian_kernel()


def done(result: Boot) -> Boot:
    """The job ran to its end without an error."""
    assert result.status == 0, result.explain()
    return result


def mounted_names(result: Boot) -> set[str]:
    virtual = {"dumps", "meta", "status", "control"}
    return {path.name for path in (result.out / "mount").iterdir()} - virtual


# a. A store of an upgraded machine, mounted by fstab


def test_an_upgraded_machine_reads_every_record(kernel: Kernel, tmp_path: Path) -> None:
    store = machine.erst(tmp_path / "erst", "erst-mixed-upgrade")
    job = MOUNT + "mount -a\nfindmnt -rno SOURCE,FSTYPE /mnt/crashes > /out/found\n" + TAKE
    result = done(boot(kernel, job, tmp_path, store))
    assert result.lines("found") == ["pstore fuse.pstorefs"]
    expected = capture("erst-mixed-upgrade").ref
    kernels = result.lines("kernel")
    assert len(kernels) == len(expected)
    assert sum(name.endswith(".enc.z") for name in kernels) > 10
    assert mounted_names(result) == {plain_name(name) for name in expected}
    for name, reference in expected.items():
        if plain_name(name) in kernels and kernel.numbers >= (6, 6):
            continue  # from 6.6 on the kernel may take other algorithms for its own (formats.md)
        assert (result.out / "mount" / plain_name(name)).read_bytes() == reference.data, name


# b. Archived, and the power goes


def test_an_archive_command_survives_a_power_cut_right_after_it(
    kernel: Kernel, tmp_path: Path
) -> None:
    stored = capture("erst-mixed-upgrade").enc
    store = machine.erst(tmp_path / "erst", "erst-mixed-upgrade")
    disk = machine.disk(tmp_path / "disk")
    job = MOUNT_WITH_ARCHIVE + "echo archive > /mnt/crashes/control && touch /out/done\nsleep 60\n"
    result = boot(kernel, job, tmp_path, store, extra=disk, cut_at="done")
    assert (result.out / "done").exists(), result.explain()
    assert result.status is None

    job = f"""\
{MOUNT_WITH_ARCHIVE}
ls /sys/fs/pstore > /out/kernel
ls -A /mnt/crashes > /out/names
cp -a /var/lib/pstorefs /out/archive
cp -a /mnt/crashes/dumps /out/dumps
"""
    result = done(boot(kernel, job, tmp_path, store, extra=disk))
    assert result.lines("kernel") == []
    assert not any(name.startswith("dmesg-") for name in result.lines("names"))
    saved = {
        path.name: path.read_bytes()
        for path in (result.out / "archive").rglob("*")
        if path.parent.name == "raw"
    }
    if kernel.numbers < (6, 6):
        assert {plain_name(name) for name in saved} == {plain_name(name) for name in stored}
        for name, data in saved.items():
            assert data in (stored[name].data, capture("erst-mixed-upgrade").ref.get(name)), name
    texts = list((result.out / "dumps").glob("*/dmesg.txt"))
    assert len(texts) == 10
    assert all(path.stat().st_size > 5000 for path in texts)


# c and d. It crashes, and shows its own crash


def life_with_a_crash(kernel: Kernel, work: Path, store: Store) -> Boot:
    first = boot(kernel, MOUNT + CRASH.format(name=work.name), work, store)
    assert first.status is None, first.explain()
    assert "Kernel panic" in first.console, first.explain()
    second = done(boot(kernel, MOUNT + TAKE, work, store))
    newest = second.out / "mount" / "dumps" / "latest"
    text = (newest / "dmesg.txt").read_text()
    assert f"vm: the last words of {work.name}" in text
    assert re.search(r"^<0>.*Kernel panic - not syncing: sysrq triggered crash", text, re.MULTILINE)
    assert TITLE in json.loads((newest / "summary.json").read_text())["title"]
    assert TITLE in (second.out / "mount" / "status").read_text().splitlines()[0]
    return second


def test_a_crash_into_erst_is_shown_after_the_boot(kernel: Kernel, tmp_path: Path) -> None:
    life_with_a_crash(kernel, tmp_path, machine.erst(tmp_path / "erst"))


def test_a_crash_into_efi_variables_is_shown_after_the_boot(kernel: Kernel, tmp_path: Path) -> None:
    life_with_a_crash(kernel, tmp_path, machine.efi(tmp_path / "variables"))


def test_a_crash_into_ramoops_is_shown_after_the_boot(kernel: Kernel, tmp_path: Path) -> None:
    store = machine.ramoops(tmp_path / "ram")
    life_with_a_crash(kernel, tmp_path, store)


# e. Over the store itself; backends that come late


def test_over_the_store_itself_and_rm_erases(kernel: Kernel, tmp_path: Path) -> None:
    store = machine.erst(tmp_path / "erst", "erst-mixed-upgrade")
    job = """\
pstorefs /sys/fs/pstore
cd /sys/fs/pstore
ls > /out/names
set -- *
rm "$1"
ls > /out/names-after
"""
    result = done(boot(kernel, job, tmp_path, store))
    names = result.lines("names")
    assert len(names) == len(capture("erst-mixed-upgrade").ref)
    assert not any(name.endswith(".enc.z") for name in names)
    assert result.lines("names-after") == names[1:]
    result = done(boot(kernel, "ls /sys/fs/pstore > /out/kernel", tmp_path, store))
    assert [plain_name(name) for name in result.lines("kernel")] == names[1:]


def test_a_backend_that_is_loaded_after_the_mount_shows_up(kernel: Kernel, tmp_path: Path) -> None:
    store = machine.ramoops(tmp_path / "ram", load=False)
    first = boot(kernel, "modprobe ramoops\n" + CRASH.format(name="late"), tmp_path, store)
    assert "Kernel panic" in first.console, first.explain()
    job = f"""\
{MOUNT}
ls /mnt/crashes > /out/before
modprobe ramoops
sleep 2
ls /mnt/crashes > /out/after
cat /mnt/crashes/dmesg-ramoops-0 > /out/text
"""
    result = done(boot(kernel, job, tmp_path, store))
    assert not any(name.startswith("dmesg-") for name in result.lines("before"))
    assert "dmesg-ramoops-0" in result.lines("after")
    assert "vm: the last words of late" in (result.out / "text").read_text()
