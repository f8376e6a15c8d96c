"""The program: background and foreground, signals, a dead mount, errors of one line."""

from __future__ import annotations

import os
import re
import resource
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from pstorefs.system import mountinfo
from tests.figures import record
from tests.mount.conftest import COMMAND, NOBODY, MountMaker, until_mounted
from tests.mount.programs import ROOT, daemon_of, gone, pstorefs, until_idle
from tests.records import capture

# The kernel lets in whoever has the mounter's uid and gid.
AS_NOBODY: dict[str, Any] = {"user": NOBODY, "group": NOBODY, "extra_groups": []}


def test_in_the_background_it_returns_when_the_mount_answers(source: Path, point: Path) -> None:
    done = pstorefs("-o", "plain", source, point)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert len(os.listdir(point)) == 32
    mounted = mountinfo.at(str(point))
    assert mounted is not None
    assert (mounted.kind, mounted.source) == ("fuse.pstorefs", str(source))
    assert {"nosuid", "nodev", "noexec"} <= set(mounted.options.split(","))
    pid = daemon_of(point)
    assert os.getsid(pid) == pid
    assert os.readlink(f"/proc/{pid}/cwd") == "/"
    for number in (0, 1, 2):
        assert os.readlink(f"/proc/{pid}/fd/{number}") == "/dev/null"
    subprocess.run(["umount", point], check=True)
    assert gone(pid)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
@pytest.mark.parametrize("background", [True, False])
def test_a_signal_unmounts_cleanly(
    number: signal.Signals, background: bool, source: Path, point: Path, mount: MountMaker
) -> None:
    if background:
        assert pstorefs("-o", "plain", source, point).returncode == 0
        pid = daemon_of(point)
        os.kill(pid, number)
        assert gone(pid)
        assert mountinfo.at(str(point)) is None
    else:
        one = mount(source)
        one.process.send_signal(number)
        assert one.process.wait(100) == 0
        assert not one.mounted()


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSEGV])  # a fault in a C library
def test_a_dead_mount_of_an_earlier_run_is_replaced(
    number: signal.Signals, source: Path, point: Path
) -> None:
    assert pstorefs("-o", "plain", source, point).returncode == 0
    pid = daemon_of(point)
    resource.prlimit(pid, resource.RLIMIT_CORE, (0, 0))
    os.kill(pid, number)
    assert gone(pid)
    with pytest.raises(OSError, match="not connected"):
        os.listdir(point)
    began = time.monotonic()
    done = pstorefs("-o", "plain", source, point)
    assert done.returncode == 0
    assert "dead mount" in done.stderr
    assert len(os.listdir(point)) == 32
    took = f"{(time.monotonic() - began) * 1000:.0f} ms"
    record("privileges", f"a new start after {number.name}, to the first listing", took)
    assert sum(mount.point == str(point) for mount in mountinfo.table()) == 1


def test_a_mount_that_died_a_moment_ago_is_replaced(source: Path, mount: MountMaker) -> None:
    one = mount(source, "-o", "plain")
    os.stat(one.point)
    one.process.kill()
    one.process.wait(100)
    os.stat(one.point)  # for a second the kernel goes on telling what it was told
    done = pstorefs("-o", "plain", source, one.point)
    assert done.returncode == 0, done.stderr
    assert "dead mount" in done.stderr
    assert len(os.listdir(one.point)) == 32
    subprocess.run(["umount", one.point], check=True)


def one_line(done: subprocess.CompletedProcess[str], status: int, *words: str) -> None:
    """An error is one line that names the thing and what to do, and an exit status."""
    assert done.returncode == status, done.stderr
    assert done.stderr.startswith("pstorefs: ")
    assert done.stderr.count("\n") == 1, done.stderr
    assert done.stdout == ""
    for word in words:
        assert word in done.stderr


def test_wrong_usage_is_one_line_and_status_1(point: Path) -> None:
    one_line(pstorefs(), 1, "mount point", "MOUNTPOINT")
    one_line(pstorefs("-o", "nonsense", point), 1, "nonsense", "--help")
    one_line(pstorefs("-o", "remount", point), 1, "remount", "unmount")


def test_what_is_wrong_with_the_mount_point_is_said(source: Path, tmp_path: Path) -> None:
    one_line(pstorefs(source, tmp_path / "none"), 32, "none", "no such mount point", "mkdir")
    (tmp_path / "file").write_text("")
    one_line(pstorefs(source, tmp_path / "file"), 32, "not a directory")
    one_line(pstorefs(tmp_path, tmp_path / "source"), 32, "inside the source")
    one_line(pstorefs(source, "/"), 32, "root directory", "hides")
    archive = f"archive={source.parent}/above/archive"
    (source.parent / "above").mkdir()
    one_line(pstorefs("-o", archive, source, source.parent / "above"), 32, "hides the archive")
    one_line(pstorefs(source, source.parent), 32, "hides the source", "on the source")
    archive, point = f"archive={tmp_path / 'archive'}", tmp_path / "archive" / "point"
    point.mkdir(parents=True)
    one_line(pstorefs("-o", archive, source, point), 32, "inside the archive", "elsewhere")
    one_line(pstorefs(source, "/usr"), 32, "hides Python")
    one_line(pstorefs(source, ""), 1, "empty", "variable")
    one_line(pstorefs("", source), 1, "empty", "variable")


def test_the_working_directory_may_be_the_mount_point(source: Path, tmp_path: Path) -> None:
    point = tmp_path / "point"
    point.mkdir()
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [*COMMAND, "-f", str(source), "."]
    with subprocess.Popen(command, cwd=point, env=environment) as process:
        try:
            assert until_mounted(point, process)
            until_idle(process.pid)  # by then it has loaded all its modules
            names = subprocess.run(
                ["ls", "-R", point], timeout=100, check=True, capture_output=True
            )
            assert b"dmesg.txt" in names.stdout
        finally:
            subprocess.run(["umount", "-l", point], check=False)
            process.terminate()


def test_the_log_of_a_mount_in_the_foreground_is_on_standard_error(
    source: Path, tmp_path: Path, mount: MountMaker
) -> None:
    one = mount(source, "-o", f"archive={tmp_path / 'archive'}")
    record = min(one.point.glob("dmesg-*"))
    record.unlink()
    one.process.send_signal(signal.SIGTERM)
    assert one.process.wait(100) == 0
    assert f"pstorefs: rm {record.name}.enc.z: " in one.errors()
    assert "pstorefs: unmounting on SIGTERM" in one.errors()


def test_a_busy_mount_point_is_refused(source: Path, point: Path) -> None:
    assert pstorefs("-o", "plain", source, point).returncode == 0
    one_line(pstorefs("-o", "plain", source, point), 32, "busy", "umount")
    assert len(os.listdir(point)) == 32


def test_what_is_wrong_with_the_source_is_said(tmp_path: Path, point: Path) -> None:
    one_line(pstorefs(tmp_path / "none", point), 32, "none", "no such directory")
    (tmp_path / "file").write_text("")
    one_line(pstorefs(tmp_path / "file", point), 32, "not a directory", "pstorecat")
    assert mountinfo.at(str(point)) is None


def hidden(pattern: str) -> list[str]:
    """A command prefix: a namespace in which something is missing."""
    return ["unshare", "-m", "sh", "-c", f'{pattern}; shift 0; exec "$@"', "sh"]


def in_namespace(change: str, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*hidden(change), *COMMAND, *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
    )


def test_without_dev_fuse_it_says_to_load_the_module(source: Path, point: Path) -> None:
    done = in_namespace("mount -t tmpfs tmpfs /dev", source, point)
    one_line(done, 32, "/dev/fuse", "modprobe fuse")


def test_without_a_pstore_it_says_what_is_missing(point: Path) -> None:
    change = "mount -t tmpfs none /sys; mkdir -p /sys/fs/pstore"
    one_line(in_namespace(change, point), 32, "/sys/fs/pstore", "mount -t pstore")
    change = "mount -t tmpfs none /sys"
    one_line(in_namespace(change, point), 32, "/sys/fs/pstore", "CONFIG_PSTORE")


def test_nofail_mounts_without_a_pstore(point: Path) -> None:
    change = "mount -t tmpfs none /sys"
    words = [
        *hidden(change),
        "sh",
        "-c",
        '"$@" && ls -la "$0" && umount "$0"',
        str(point),
        *COMMAND,
    ]
    done = subprocess.run(
        [*words, "-o", "nofail", point], capture_output=True, text=True, check=False, cwd=ROOT
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[1].startswith("drwxr-x--- ")


def test_default_permissions_are_not_widened_by_allow_other(source: Path, point: Path) -> None:
    source.chmod(0o750)
    for path in source.iterdir():
        path.chmod(0o400)
    assert pstorefs("-o", "allow_other", source, point).returncode == 0
    for command in (["ls", point], ["cat", point / "dmesg-erst-7646229349632311297"]):
        done = subprocess.run(command, user=NOBODY, capture_output=True, text=True, check=False)
        assert "Permission denied" in done.stderr


def test_an_ordinary_user_mounts_copies_of_records(nobodys: Path) -> None:
    point = nobodys / "point"
    done = pstorefs(nobodys / "records", point, uid=NOBODY)
    assert (done.returncode, done.stderr) == (0, "")
    name = min(capture("erst-zstd-6.1.192").ref)
    shown = subprocess.run(
        ["cat", point / name], **AS_NOBODY, capture_output=True, check=True
    ).stdout
    assert shown == capture("erst-zstd-6.1.192").ref[name].data
    # Nobody else enters, root neither: so the kernel has it without allow_other.
    assert subprocess.run(["ls", point], capture_output=True, check=False).returncode != 0
    subprocess.run(["fusermount3", "-u", point], **AS_NOBODY, check=True)


def test_an_ordinary_users_errors(nobodys: Path, source: Path) -> None:
    point = nobodys / "point"
    source.chmod(0o700)
    source.parent.chmod(0o755)
    source.parent.parent.chmod(0o755)
    one_line(pstorefs(source, point, uid=NOBODY), 32, "permission denied", "root")
    one_line(
        pstorefs("-o", "allow_other", nobodys / "records", point, uid=NOBODY),
        32,
        "allow_other",
        "/etc/fuse.conf",
    )
    done = pstorefs(nobodys / "records", point, uid=NOBODY, path="/nowhere")
    one_line(done, 32, "fusermount3", "apt install fuse3")
    done = pstorefs(nobodys / "records", "/mnt", uid=NOBODY)
    one_line(done, 32, "/mnt", "cannot mount")


def test_a_mount_outlives_the_removal_of_its_program(tmp_path: Path, point: Path) -> None:
    program = shutil.copytree(ROOT / "pstorefs", tmp_path / "lib" / "pstorefs")
    records = capture("erst-842-6.1.192").write("enc", tmp_path / "records")
    subprocess.run([*COMMAND, records, point], check=True, cwd=tmp_path / "lib")
    until_idle(daemon_of(point))  # it loads what it has not needed yet
    shutil.rmtree(program)
    for name, reference in capture("erst-842-6.1.192").ref.items():
        assert (point / name).read_bytes() == reference.data
    for report in (point / "dumps").glob("*/report.txt"):
        assert report.read_bytes()


def test_it_stays_in_its_process_group_until_it_is_mounted(
    source: Path, point: Path, tmp_path: Path
) -> None:
    """An automount lets only that group touch the mount point meanwhile (autofs' "oz mode")."""
    trace = tmp_path / "trace"
    command = ["strace", "-f", "-e", "trace=mount,setsid,setpgid", "-o", trace, *COMMAND]
    # strace stays as long as the program does.
    with subprocess.Popen([*command, source, point], cwd=ROOT) as process:
        assert until_mounted(point, process)
        assert len(os.listdir(point)) > 30
        subprocess.run(["umount", point], check=True)
        process.wait(100)
    calls = re.findall(r"(mount|setsid|setpgid)\(", trace.read_text())
    assert calls == ["mount", "setsid"]


def test_help_fits_a_screen_and_version() -> None:
    text = pstorefs("--help").stdout
    assert text.startswith("usage: pstorefs")
    assert len(text.splitlines()) <= 24
    assert max(map(len, text.splitlines())) <= 90
    assert pstorefs("-V").stdout.startswith("pstorefs ")


def test_without_a_library_one_line_says_which(source: Path, point: Path) -> None:
    code = (
        "import sys; sys.modules['pyfuse3'] = None\n"
        f"from pstorefs.cli.pstorefs import main; sys.exit(main([{str(source)!r}, {str(point)!r}]))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, cwd=ROOT
    )
    one_line(done, 2, "pyfuse3")
