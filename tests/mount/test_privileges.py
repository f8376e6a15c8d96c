"""What a mount's daemon may do once it is mounted, and that it still does all that it should."""

from __future__ import annotations

import os
import re
import signal
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from pstorefs.system import mountinfo
from pstorefs.system.capabilities import DAC_OVERRIDE, DAC_READ_SEARCH, SYS_ADMIN
from tests.figures import record
from tests.mount.conftest import COMMAND, NEWS, NOBODY, MountMaker, until_mounted
from tests.mount.programs import ROOT, daemon_of, gone, of_threads, pstorefs
from tests.records import capture

RECORD = "dmesg-erst-7646229349632311297"
NOTHING = 0
READS, CHANGES, UNMOUNTS = 1 << DAC_READ_SEARCH, 1 << DAC_OVERRIDE, 1 << SYS_ADMIN


def privileges(status: str) -> dict[str, int]:
    """Of /proc/PID/status: the five sets of capabilities, and NoNewPrivs."""
    found = re.findall(r"^(Cap\w+|NoNewPrivs):\s+([0-9a-f]+)$", status, re.MULTILINE)
    return {name: int(number, 16) for name, number in found}


def threads_of(process: int) -> list[dict[str, int]]:
    return list(map(privileges, of_threads(process)))


def stated(effective: int) -> dict[str, int]:
    return {
        "CapInh": NOTHING,
        "CapPrm": effective | UNMOUNTS,
        "CapEff": effective,
        "CapBnd": NOTHING,
        "CapAmb": NOTHING,
        "NoNewPrivs": 1,
    }


@pytest.mark.parametrize(
    ("options", "effective"),
    [
        ("", READS),
        ("plain", READS),
        ("archive={archive}", CHANGES),
        ("plain,archive={archive}", CHANGES),
        ("ro,archive={archive}", READS),
    ],
)
def test_the_daemon_keeps_what_the_table_states_and_no_more(
    options: str, effective: int, source: Path, tmp_path: Path, mount: MountMaker
) -> None:
    options = options.format(archive=tmp_path / "archive")
    one = mount(source, *(["-o", options] if options else []))
    assert (one.point / RECORD).read_bytes()
    assert threads_of(one.process.pid)  # the mount answers, so that it has begun to serve
    for thread in threads_of(one.process.pid):
        assert thread == stated(effective)


def test_over_its_source_it_may_erase_as_the_source_does(source: Path, mount: MountMaker) -> None:
    one = mount(source, point=source)
    assert (one.point / RECORD).read_bytes()
    assert threads_of(one.process.pid)[0] == stated(CHANGES)
    (one.point / RECORD).unlink()
    assert RECORD not in os.listdir(one.point)


def test_a_source_and_an_archive_of_others_are_read_saved_and_erased(
    source: Path, tmp_path: Path, point: Path
) -> None:
    home = tmp_path / "home"  # nobody but its owner may enter
    home.mkdir()
    source.rename(home / "source")
    for path in [home, *home.rglob("*")]:
        path.chmod(0o700 if path.is_dir() else 0o400)
        os.chown(path, NOBODY, NOBODY)
    options = f"archive={home / 'archive'},archive_volatile"
    done = pstorefs("-o", options, home / "source", point)
    assert (done.returncode, done.stderr) == (0, "")
    pid = daemon_of(point)
    assert (point / RECORD).read_bytes() == capture("erst-mixed-upgrade").ref[RECORD].data
    assert (point / "status").read_text().startswith("Newest crash: ")
    (point / RECORD).unlink()
    assert not list((home / "source").glob(f"{RECORD}*"))
    (point / "control").write_text("archive\n")
    assert os.listdir(home / "source") == []
    saved = home / "archive"
    assert stat.S_IMODE(saved.stat().st_mode) == 0o700
    assert len(list(saved.glob("*/raw/*"))) == 32
    threads = threads_of(pid)
    assert len(threads) > 1, "the threads that did it are to be looked at as well"
    assert all(thread == stated(CHANGES) for thread in threads)
    subprocess.run(["umount", point], check=True)
    assert gone(pid)


@pytest.mark.parametrize("options", ["plain", "auto_unmount"])
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_it_unmounts_by_itself_all_the_same(
    number: signal.Signals, options: str, source: Path, point: Path
) -> None:
    assert pstorefs("-o", options, source, point).returncode == 0
    pid = daemon_of(point)
    assert threads_of(pid)[0] == stated(READS)
    os.kill(pid, number)
    assert gone(pid)
    assert mountinfo.at(str(point)) is None


def test_an_ordinary_users_daemon_can_still_call_fusermount3(nobodys: Path) -> None:
    point = nobodys / "point"
    assert pstorefs(nobodys / "records", point, uid=NOBODY).returncode == 0
    pid = daemon_of(point)
    (sets,) = {tuple(sorted(thread.items())) for thread in threads_of(pid)}
    assert dict(sets)["CapPrm"] == NOTHING
    assert dict(sets)["NoNewPrivs"] == 0  # fusermount3 is set-uid
    os.kill(pid, signal.SIGTERM)
    assert gone(pid)
    assert mountinfo.at(str(point)) is None


def test_what_the_daemon_starts_has_no_capability() -> None:
    code = (
        "import subprocess; from pstorefs.mount import privileges; privileges.drop(changes=True);"
        "subprocess.run(['cat', '/proc/self/status'], check=True)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT
    )
    assert done.stderr == ""
    assert set(privileges(done.stdout).items()) == {
        *((f"Cap{name}", NOTHING) for name in ("Inh", "Prm", "Eff", "Bnd", "Amb")),
        ("NoNewPrivs", 1),
    }


def test_what_cannot_be_given_up_is_said_once_and_the_mount_goes_on(
    source: Path, point: Path
) -> None:
    """Without CAP_SETPCAP, as in a container, the bounding set cannot be emptied."""
    confined = ["setpriv", "--bounding-set", "-setpcap", *COMMAND, "-f", source, point]
    with subprocess.Popen(confined, stderr=subprocess.PIPE, text=True, cwd=ROOT) as process:
        assert until_mounted(point, process)
        assert (point / RECORD).read_bytes()
        sets = threads_of(process.pid)[0]
        subprocess.run(["umount", point], check=True)
        _, said = process.communicate(timeout=100)
    assert process.returncode == 0
    assert said.count("\n") == 1
    assert "privileges that are not needed cannot be dropped: the bounding set: Operation" in said
    assert {**sets, "CapBnd": NOTHING} == stated(READS)  # the rest is given up


def test_as_the_service_it_gives_up_all_that_the_unit_leaves_it(
    source: Path, tmp_path: Path, point: Path
) -> None:
    unit = (ROOT / "contrib/systemd/pstorefs.service").read_text()
    (names,) = re.findall(r"^CapabilityBoundingSet=(.+)$", unit, re.MULTILINE)
    bounds = ",".join(
        ["-all", *(f"+{name.removeprefix('CAP_').lower()}" for name in names.split())]
    )
    confined = ["setpriv", "--bounding-set", bounds, "--no-new-privs"]
    options = f"archive={tmp_path / 'archive'},archive_volatile"
    command = [*confined, *COMMAND, "-f", "-o", options, source, point]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, cwd=ROOT) as process:
        assert until_mounted(point, process)
        (point / "control").write_text("archive\n")
        threads = threads_of(process.pid)
        process.terminate()
        _, said = process.communicate(timeout=100)
    assert process.returncode == 0
    assert [line for line in said.splitlines() if not NEWS.match(line)] == []
    assert mountinfo.at(str(point)) is None
    assert os.listdir(source) == []
    assert all(thread == stated(CHANGES) for thread in threads)


def test_how_long_it_takes_to_give_them_up() -> None:
    code = (
        "import ctypes, time; from pstorefs.mount import privileges; began = time.process_time();"
        "privileges.drop(changes=True); print((time.process_time() - began) * 1000)"
    )
    runs = [
        float(subprocess.run([sys.executable, "-c", code], capture_output=True, check=True).stdout)
        for _ in range(5)
    ]
    record("privileges", "giving capabilities up", f"{min(runs):.2f} ms", "< 5 ms", min(runs) < 5)
    assert min(runs) < 5
