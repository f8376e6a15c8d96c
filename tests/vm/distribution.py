"""A guest that is a stock Debian with systemd as PID 1, and this project's package installed."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path

from tests.vm import machine
from tests.vm.machine import CACHE, ROOT, Boot, Kernel, Store

INCLUDE = ("systemd-sysv", "udev", "kmod", "dbus")
# What the package depends on; debootstrap cannot resolve all of it.
NEEDED = ("fuse3", "python3-lz4", "python3-pyfuse3", "python3-trio", "python3-zstandard")
BOOT_SECONDS = 800
# What the tests want from the guest: a job, once the machine is up. It lies in the directory that
# is shared with the host.
JOB_UNIT = """\
[Unit]
Description=The job of a test
After=multi-user.target systemd-pstore.service

[Service]
Type=oneshot
ExecStartPre=/sbin/modprobe -a 9pnet_virtio 9p
ExecStartPre=/bin/mount -t 9p -o trans=virtio,version=9p2000.L,cache=none,msize=500000 out /out
ExecStart=/bin/sh -c 'sh -e /out/job >/out/log 2>&1; echo $? >/out/status'
ExecStart=/bin/sh -c 'journalctl -b --no-pager -o short-monotonic >/out/journal; sync'
ExecStart=/bin/sh -c 'echo 1 >/proc/sys/kernel/sysrq; systemctl --force reboot'
TimeoutStartSec=infinity

[Install]
WantedBy=multi-user.target
"""


def disk_image(kernel: Kernel, path: Path) -> Path:
    """A disk with a fresh installation; what is expensive about it is done once."""
    tree = CACHE / "systemd"
    with machine.locked(CACHE):
        if not (tree / "ready").exists():
            shutil.rmtree(tree, ignore_errors=True)
            _install(tree)
            (tree / "ready").touch()
    image = path / "disk"
    with image.open("wb") as file:
        file.truncate(1200 << 20)
    fresh = path / "fresh"
    subprocess.run(["cp", "-a", tree, fresh], check=True)
    _add_package(fresh)
    _add_job(fresh)
    kernel.unpack_modules(fresh)
    command = ["mke2fs", "-q", "-t", "ext4", "-L", "root", "-d", str(fresh), str(image)]
    subprocess.run(command, check=True, stderr=subprocess.DEVNULL)
    shutil.rmtree(fresh)
    return image


def _install(tree: Path) -> None:
    release = dict(
        line.split("=", 1) for line in Path("/etc/os-release").read_text().splitlines() if line
    )
    suite = release["VERSION_CODENAME"].strip('"')
    include = ",".join(INCLUDE)
    command = ["debootstrap", "--variant=minbase", f"--include={include}", suite, str(tree)]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    shutil.copy("/etc/resolv.conf", tree / "etc/resolv.conf")
    command = ["chroot", str(tree), "apt-get", "-qq", "-y", "--no-install-recommends", "install"]
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    subprocess.run(
        [*command, *NEEDED],
        check=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env=environment,
    )
    for path in (tree / "var/cache/apt", tree / "var/lib/apt/lists", tree / "usr/share/locale"):
        shutil.rmtree(path)


def _add_package(tree: Path) -> None:
    subprocess.run(
        [ROOT / "contrib/build-deb", tree / "tmp"], check=True, stdout=subprocess.DEVNULL
    )
    (package,) = (tree / "tmp").glob("pstorefs_*.deb")
    command = ["chroot", str(tree), "dpkg", "-i", f"/tmp/{package.name}"]  # noqa: S108
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def _add_job(tree: Path) -> None:
    (tree / "out").mkdir()
    units = tree / "etc/systemd/system"
    (units / "vm-job.service").write_text(JOB_UNIT)
    wants = units / "multi-user.target.wants"
    wants.mkdir(exist_ok=True)
    (wants / "vm-job.service").symlink_to("../vm-job.service")
    (tree / "etc/fstab").write_text("/dev/vda / ext4 defaults 0 1\n")
    (tree / "etc/hostname").write_text("guest\n")


def boot(
    kernel: Kernel, image: Path, job: str, work: Path, store: Store, words: Sequence[str] = ()
) -> Boot:
    """Boot the disk, run a shell script (with -e) when the machine is up, wait for its end."""
    drive = f"if=none,id=root,format=raw,file={image}"
    extra = ["-drive", drive, "-device", "virtio-blk-pci,drive=root"]
    start = time.monotonic()
    result = machine.boot(
        kernel,
        "",
        work,
        store,
        extra=extra,
        words=["vm.root=/dev/vda", *words],
        files={"job": job.encode()},
        seconds=BOOT_SECONDS,
    )
    result.seconds = time.monotonic() - start
    return result
