"""Debian's kernel, real stores, real crashes, power that goes: pstorefs at home.

Each test is one life of a machine. Without KVM a boot takes 15 to 30 seconds, so only the first two
belong to every run (`tests/run boot`); `tests/run vm` runs all.
"""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from tests.records import capture, plain_name
from tests.vm import distribution, machine
from tests.vm.machine import Boot, Kernel, Store, boot

pytestmark = pytest.mark.timeout(900)

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


# a. A store of an upgraded machine, mounted by fstab


def test_an_upgraded_machine_reads_every_record(kernel: Kernel, tmp_path: Path) -> None:
    store = machine.erst(tmp_path / "erst", "erst-mixed-upgrade")
    job = f"""\
{MOUNT}
mount -a
findmnt -rno SOURCE,FSTYPE /mnt/crashes > /out/found
ls /sys/fs/pstore > /out/kernel
mkdir /out/mount
cp -a /mnt/crashes/dmesg-* /out/mount
"""
    result = done(boot(kernel, job, tmp_path, store))
    assert result.lines("found") == ["pstore fuse.pstorefs"]
    expected = capture("erst-mixed-upgrade").ref
    kernels = result.lines("kernel")
    assert len(kernels) == len(expected)
    assert sum(name.endswith(".enc.z") for name in kernels) > 10
    shown = {path.name for path in (result.out / "mount").iterdir()}
    assert shown == {plain_name(name) for name in expected}
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
ls /mnt/crashes/dumps > /out/dumps
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
    texts = list((result.out / "archive").glob("*/dmesg.txt"))
    assert len(texts) == 10
    assert all(path.stat().st_size > 5000 for path in texts)
    assert {path.parent.name for path in texts} == set(result.lines("dumps")) - {"latest"}


# c and d. It crashes, and shows its own crash


def life_with_a_crash(kernel: Kernel, work: Path, store: Store) -> Boot:
    first = boot(kernel, MOUNT + CRASH.format(name=work.name), work, store)
    assert first.status is None, first.explain()
    assert "Kernel panic" in first.console, first.explain()
    job = f"""\
{MOUNT}
mkdir /out/shown
cp -a /mnt/crashes/status /mnt/crashes/dumps/latest/. /out/shown
"""
    second = done(boot(kernel, job, work, store))
    newest = second.out / "shown"
    text = (newest / "dmesg.txt").read_text()
    assert f"vm: the last words of {work.name}" in text
    assert re.search(r"^<0>.*Kernel panic - not syncing: sysrq triggered crash", text, re.MULTILINE)
    assert TITLE in json.loads((newest / "summary.json").read_text())["title"]
    assert TITLE in (newest / "status").read_text().splitlines()[0]
    return second


@pytest.mark.slow
def test_a_crash_into_erst_is_shown_after_the_boot(kernel: Kernel, tmp_path: Path) -> None:
    life_with_a_crash(kernel, tmp_path, machine.erst(tmp_path / "erst"))


@pytest.mark.slow
def test_a_crash_into_efi_variables_is_shown_after_the_boot(kernel: Kernel, tmp_path: Path) -> None:
    life_with_a_crash(kernel, tmp_path, machine.efi(tmp_path / "variables"))


@pytest.mark.slow
def test_a_crash_into_ramoops_is_shown_after_the_boot(kernel: Kernel, tmp_path: Path) -> None:
    store = machine.ramoops(tmp_path / "ram")
    life_with_a_crash(kernel, tmp_path, store)


# e. Over the store itself; backends that come late


@pytest.mark.slow
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


@pytest.mark.slow
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


OOPS = """\
insmod /out/provoke.ko || true
sleep 3
"""


@pytest.mark.slow
def test_a_record_that_appears_while_mounted_shows_up(kernel: Kernel, tmp_path: Path) -> None:
    store = machine.erst(tmp_path / "erst")
    job = f"""\
{MOUNT}
ls /mnt/crashes > /out/before
{OOPS}
ls /mnt/crashes > /out/after
cat /mnt/crashes/dumps/latest/dmesg.txt > /out/dmesg.txt
cat /mnt/crashes/status > /out/shown
"""
    files = {"provoke.ko": machine.oops_module(kernel)}
    words = ["pstore.update_ms=500"]
    result = done(boot(kernel, job, tmp_path, store, files=files, words=words))
    assert not any(name.startswith("dmesg-") for name in result.lines("before"))
    assert any(name.startswith("dmesg-erst-") for name in result.lines("after"))
    assert "provoke_init" in (result.out / "dmesg.txt").read_text()
    assert "provoke_init" in result.lines("shown")[0]


@pytest.mark.slow
def test_a_slot_of_ramoops_that_holds_a_new_oops_is_not_erased(
    kernel: Kernel, tmp_path: Path
) -> None:
    store = machine.ramoops(tmp_path / "ram")
    first = boot(kernel, MOUNT + CRASH.format(name="slots"), tmp_path, store)
    assert "Kernel panic" in first.console, first.explain()
    # The file shows the panic while the oops is in its slot already; erasing goes by slot.
    job = f"""\
{MOUNT_WITH_ARCHIVE}
{OOPS}
grep -c 'last words of slots' /mnt/crashes/dmesg-ramoops-0 > /out/shown
echo archive > /mnt/crashes/control || echo "exit status $?" > /out/archive
rm /mnt/crashes/dmesg-ramoops-0 || echo "exit status $?" > /out/rm
cat /mnt/crashes/control > /out/control
ls -d /var/lib/pstorefs/*-panic-* > /out/saved
"""
    disk = machine.disk(tmp_path / "disk")
    files = {"provoke.ko": machine.oops_module(kernel)}
    second = done(boot(kernel, job, tmp_path, store, files=files, extra=disk))
    assert second.lines("shown") == ["1"]
    assert len(second.lines("saved")) == 1
    assert (second.out / "rm").exists()
    job = f"""\
{MOUNT_WITH_ARCHIVE}
cat /mnt/crashes/dmesg-ramoops-0 > /out/text
cat /var/lib/pstorefs/*/dmesg.txt > /out/archived
"""
    third = done(boot(kernel, job, tmp_path, store, extra=disk))
    assert "provoke_init" in (third.out / "text").read_text()
    assert "last words of slots" in (third.out / "archived").read_text()


# f. A stock distribution, systemd-pstore enabled


@pytest.mark.slow
@pytest.mark.timeout(2400)
def test_a_stock_distribution_before_and_after_crashes(kernel: Kernel, tmp_path: Path) -> None:
    store = machine.erst(tmp_path / "erst")
    image = distribution.disk_image(kernel, tmp_path)

    job = f"""\
systemctl is-enabled systemd-pstore.service > /out/enabled
pstorefs /mnt
cat /mnt/status > /out/shown
umount /mnt
systemctl --failed --plain --no-legend > /out/failed
{CRASH.format(name="one")}"""
    first = distribution.boot(kernel, image, job, tmp_path, store)
    assert "Kernel panic" in first.console, first.explain()
    assert first.lines("enabled") == ["enabled"]
    assert first.lines("failed") == []
    assert TITLE not in (first.out / "shown").read_text()

    # As installed: systemd-pstore has taken the records, and the mount shows them all the same.
    job = f"""\
ls /sys/fs/pstore > /out/store
find /var/lib/systemd/pstore -type f > /out/moved
pstorefs /mnt
cat /mnt/status > /out/shown
cat /mnt/dumps/latest/dmesg.txt > /out/dmesg.txt
umount /mnt
systemctl -q enable pstorefs-archive.service mnt-crashes.automount
{CRASH.format(name="two")}"""
    second = distribution.boot(kernel, image, job, tmp_path, store)
    assert "Kernel panic" in second.console, second.explain()
    assert second.lines("store") == []
    assert len(second.lines("moved")) > 1
    assert TITLE in second.lines("shown")[0]
    assert "vm: the last words of one" in (second.out / "dmesg.txt").read_text()

    # The archive and the automount enabled: pstorefs comes first, and nothing is resident.
    job = """\
ls /sys/fs/pstore > /out/store
ls /var/lib/pstorefs > /out/archive
find /var/lib/systemd/pstore -type f > /out/moved
findmnt -no FSTYPE /mnt/crashes > /out/before
cat /mnt/crashes/status > /out/shown
findmnt -no FSTYPE /mnt/crashes > /out/after
cat /mnt/crashes/dumps/latest/dmesg.txt > /out/dmesg.txt
systemctl show -P Result pstorefs-archive.service > /out/result
modprobe ramoops || true
sleep 5
journalctl -b -o cat -u pstorefs-archive.service > /out/runs
journalctl -b -F PSTOREFS_TITLE > /out/titles
# The service instead
systemctl -q disable --now mnt-crashes.automount mnt-crashes.mount
systemctl start pstorefs.service
sleep 3
systemctl is-active pstorefs.service > /out/active
findmnt -no FSTYPE /mnt/crashes > /out/service
cat /mnt/crashes/status > /out/service-shown
echo archive > /mnt/crashes/control
systemctl stop pstorefs.service
findmnt -no FSTYPE /mnt/crashes > /out/stopped || true
systemctl --failed --plain --no-legend > /out/failed
"""
    third = done(distribution.boot(kernel, image, job, tmp_path, store))
    assert third.lines("store") == []
    assert len(third.lines("archive")) == 1
    assert third.lines("moved") == second.lines("moved")
    assert third.lines("before") == ["autofs"]
    assert third.lines("after") == ["autofs", "fuse.pstorefs"]
    assert TITLE in third.lines("shown")[0]
    assert "vm: the last words of two" in (third.out / "dmesg.txt").read_text()
    assert third.lines("result") == ["success"]
    assert third.lines("failed") == []
    assert len(third.lines("titles")) == 1
    assert TITLE in third.lines("titles")[0]
    assert third.lines("active") == ["active"]
    assert third.lines("service") == ["fuse.pstorefs"]
    assert TITLE in third.lines("service-shown")[0]
    assert third.lines("stopped") == []
    # Again when a backend is loaded: its module is a unit that wants the archive.
    assert sum("Finished" in line for line in third.lines("runs")) >= 2
