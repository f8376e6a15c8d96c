"""A signal takes this daemon's mount away, whatever libfuse and mount(8) do, and no other mount."""

from __future__ import annotations

import errno
import os
import shutil
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from subprocess import PIPE

import pytest

from pstorefs.mount.serve import _is_unmounted
from pstorefs.system import libc, mountinfo
from tests.mount.conftest import COMMAND, NOBODY, MountMaker, until_mounted
from tests.mount.programs import ROOT, daemon_of, gone, pstorefs


class Namespace:
    """A mount namespace with an /etc and a /run of its own."""

    def __init__(self, home: Path) -> None:
        self.etc, self.run_directory = home / "etc", home / "run"
        shutil.copytree("/etc", self.etc, symlinks=True, ignore_dangling_symlinks=True)
        self.run_directory.mkdir()
        script = 'mount --bind "$0" /etc && mount --bind "$1" /run && echo ready && exec sleep 1000'
        self._holder = subprocess.Popen(
            ["unshare", "--mount", "sh", "-c", script, self.etc, self.run_directory],
            stdout=subprocess.PIPE,
        )
        assert self._holder.stdout
        assert self._holder.stdout.readline() == b"ready\n"

    def command(self, *words: str | Path) -> list[str | Path]:
        target = f"--target={self._holder.pid}"
        return ["nsenter", target, "--mount", "--root", f"--wd={ROOT}", *words]

    def run(self, *words: str | Path) -> subprocess.CompletedProcess[str]:
        return subprocess.run(self.command(*words), capture_output=True, text=True, check=False)

    def kinds(self, point: Path) -> list[str]:
        """The types of what is mounted on exactly this path, the oldest first."""
        table = Path(f"/proc/{self._holder.pid}/mountinfo").read_text(errors="surrogateescape")
        found = filter(None, map(mountinfo.parse, table.splitlines()))
        return [mount.kind for mount in found if mount.point == str(point)]

    def end(self) -> None:
        self._holder.kill()
        self._holder.communicate()


@pytest.fixture
def namespace(tmp_path: Path) -> Iterator[Namespace]:
    one = Namespace(tmp_path)
    yield one
    one.end()


@pytest.mark.parametrize("utab", [True, False], ids=["utab", "no utab"])
@pytest.mark.parametrize("mtab", [True, False], ids=["mtab", "no mtab"])
def test_a_signal_unmounts_whatever_mount8_keeps_of_mounts(
    mtab: bool, utab: bool, namespace: Namespace, source: Path, tmp_path: Path
) -> None:
    """With an /etc/mtab, libfuse 3.17 runs umount(8), which has no privilege."""
    (namespace.etc / "mtab").unlink(missing_ok=True)
    if mtab:
        (namespace.etc / "mtab").symlink_to("../proc/self/mounts")
    if utab:
        (namespace.run_directory / "mount").mkdir()
        (namespace.run_directory / "mount/utab").touch()
    point = tmp_path / "point"
    point.mkdir()
    assert namespace.run(*COMMAND, "-o", "plain", source, point).returncode == 0
    assert namespace.kinds(point) == ["fuse.pstorefs"]
    pid = daemon_of(point)
    os.kill(pid, signal.SIGTERM)
    assert gone(pid)
    assert namespace.kinds(point) == []


@pytest.mark.parametrize(
    ("call", "number"),
    [("mount", 1), ("capset", 1), ("capset", 2)],
    ids=["when it mounts", "before it serves", "before it unmounts"],
)
def test_a_signal_at_any_moment_leaves_no_dead_mount(
    call: str, number: int, source: Path, tmp_path: Path, point: Path
) -> None:
    trace = tmp_path / "trace"
    inject = [f"trace={call}", "-e", f"inject={call}:signal=TERM:when={number}"]
    command = ["strace", "-o", trace, "-e", *inject, *COMMAND, "-f", "-o", "plain", source, point]
    with subprocess.Popen(command, cwd=ROOT, stderr=subprocess.DEVNULL) as process:
        if number == 2:
            assert until_mounted(point, process)
            assert os.listdir(point)
            children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text()
            os.kill(int(children.split()[0]), signal.SIGTERM)
        assert process.wait(100) == 0
    assert trace.read_text().count(f"{call}(") >= number, "no signal came at that moment"
    assert mountinfo.at(str(point)) is None


def test_a_request_that_is_read_as_the_mount_goes_is_no_failure(source: Path, point: Path) -> None:
    """The kernel ends that read with ECONNABORTED, not with ENODEV; here strace does."""
    with subprocess.Popen(
        [*COMMAND, "-f", source, point], cwd=ROOT, text=True, stderr=PIPE
    ) as daemon:
        assert until_mounted(point, daemon)
        rule = "inject=read,splice:error=ECONNABORTED"
        command = [
            "strace",
            "-f",
            "-p",
            str(daemon.pid),
            "-P",
            "/dev/fuse",
            "-o/dev/null",
            "-e",
            rule,
        ]
        with subprocess.Popen(command, text=True, stderr=PIPE) as tracer:
            assert tracer.stderr
            assert "attached" in tracer.stderr.readline()
            subprocess.run(["ls", point], capture_output=True, check=False)
            _, said = daemon.communicate(timeout=100)
    assert daemon.returncode == 0, said
    assert "reading device: Software caused connection abort" in said, "strace came too late"
    assert "pstorefs:" not in said
    assert mountinfo.at(str(point)) is None


def group(*errors: Exception) -> Exception:
    """What newer versions of trio raise."""
    return ExceptionGroup("of trio", errors)  # noqa: F821 (Debian 12 and 13 have it)


_GONE, _FULL = OSError(errno.ECONNABORTED, "gone"), OSError(errno.ENOSPC, "full")


@pytest.mark.parametrize(
    ("error", "unmounted"),
    [
        (_GONE, True),
        (_FULL, False),
        (group(_GONE), True),
        (group(group(_GONE), _GONE), True),
        (group(_GONE, _FULL), False),
        (group(_GONE, ValueError("ours")), False),
    ],
)
def test_no_other_failure_hides_behind_an_unmount(error: Exception, unmounted: bool) -> None:
    assert _is_unmounted(error) is unmounted


def test_a_mount_that_was_moved_is_unmounted_where_it_is(
    namespace: Namespace, source: Path, tmp_path: Path
) -> None:
    before, after = tmp_path / "before", tmp_path / "after"
    for point in (before, after):
        point.mkdir()
        assert namespace.run("mount", "-t", "tmpfs", "tmpfs", point).returncode == 0
    assert namespace.run(*COMMAND, "-o", "plain", source, before).returncode == 0
    assert namespace.run("mount", "--move", before, after).returncode == 0
    assert namespace.kinds(after) == ["tmpfs", "fuse.pstorefs"]
    pid = daemon_of(before)
    os.kill(pid, signal.SIGTERM)
    assert gone(pid)
    assert namespace.kinds(before) == namespace.kinds(after) == ["tmpfs"]


def test_another_mount_on_top_stays_and_what_is_left_is_said_and_replaced(
    source: Path, mount: MountMaker
) -> None:
    one = mount(source, "-o", "plain")
    one.expect(f"{one.point}: stays mounted: another mount covers it")
    subprocess.run(["mount", "-t", "tmpfs", "tmpfs", one.point], check=True)
    one.process.send_signal(signal.SIGTERM)
    assert one.process.wait(100) == 0
    assert "stays mounted" in one.errors()
    top = mountinfo.at(str(one.point))
    assert top is not None
    assert top.kind == "tmpfs"
    subprocess.run(["umount", one.point], check=True)
    assert "dead mount" in pstorefs("-o", "plain", source, one.point).stderr
    assert len(os.listdir(one.point)) == 32
    subprocess.run(["umount", one.point], check=True)


def test_what_lies_below_a_mount_that_was_detached_stays(
    source: Path, tmp_path: Path, mount: MountMaker
) -> None:
    point = tmp_path / "point"
    point.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "tmpfs", point], check=True)
    try:
        one = mount(source, "-o", "plain", point=point)
        with min(one.point.iterdir()).open("rb") as file:
            subprocess.run(["umount", "-l", point], check=True)
            assert file.read(1)  # it lives until this is closed
            one.process.send_signal(signal.SIGTERM)
            assert one.process.wait(100) == 0
        below = mountinfo.at(str(point))
        assert below is not None
        assert below.kind == "tmpfs"
    finally:
        subprocess.run(["umount", "-l", point], check=True)


def test_the_mount_of_a_successor_at_the_same_place_stays(source: Path, mount: MountMaker) -> None:
    """The kernel may give it the numbers of the mount that is gone."""
    one = mount(source, "-o", "plain")
    one.process.send_signal(signal.SIGSTOP)
    one.process.send_signal(signal.SIGTERM)
    # Not umount(8): that asks the file system first, and waits for its answer.
    libc.call("umount2", os.fsencode(one.point), 0)
    successor = mount(source, "-o", "plain", point=one.point)
    one.process.send_signal(signal.SIGCONT)
    assert one.process.wait(100) == 0
    assert len(os.listdir(one.point)) == 32
    assert successor.end() == 0


def test_an_ordinary_users_daemon_leaves_a_mount_on_top_of_its_own(nobodys: Path) -> None:
    point = nobodys / "point"
    assert pstorefs(nobodys / "records", point, uid=NOBODY).returncode == 0
    pid = daemon_of(point)
    subprocess.run(["mount", "-t", "tmpfs", "tmpfs", point], check=True)
    try:
        os.kill(pid, signal.SIGTERM)
        assert gone(pid)
        top = mountinfo.at(str(point))
        assert top is not None
        assert top.kind == "tmpfs"
    finally:
        subprocess.run(["umount", point], check=True)
