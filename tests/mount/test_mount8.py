"""mount(8), umount(8), fstab and findmnt, the real ones, as root and as an ordinary user.

All of it happens in a mount namespace of its own, in which /sbin holds this program's helpers and
/etc/fstab is the test's: the machine's own stay as they are.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path

import pytest

from tests.fleet.crashes import crashes, write
from tests.mount.conftest import EVERYBODYS_PYTHON, NOBODY, everybodys_copy
from tests.records import capture

ROOT = Path(__file__).parents[2]
PROGRAM = f"""\
#!{EVERYBODYS_PYTHON}
import sys
sys.path.insert(0, {str(everybodys_copy())!r})
sys.dont_write_bytecode = True
from pstorefs.cli.pstorefs import main
sys.exit(main())
"""
RECORDS = 32
# The helpers as the package installs them: names for the program.
HELPERS = ("mount.pstorefs", "mount.fuse.pstorefs")
Done = subprocess.CompletedProcess[str]


class Machine:
    """A mount namespace with helpers in /sbin, an /etc/fstab, and records of an ordinary user's."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.source, self.point = home / "records", home / "point"
        capture("erst-mixed-upgrade").write("enc", self.source)
        self.point.mkdir()
        for path in [home, *home.rglob("*")]:
            os.chown(path, NOBODY, NOBODY)
        self._sbin, real, self._fstab = home / "sbin", home / "real-sbin", home / "fstab"
        self._sbin.mkdir()
        real.mkdir()
        self._fstab.touch()
        for program in Path("/usr/sbin").iterdir():
            (self._sbin / program.name).symlink_to(real / program.name)
        (self._sbin / "pstorefs").write_text(PROGRAM)
        (self._sbin / "pstorefs").chmod(0o755)
        self._holder = subprocess.Popen(
            ["unshare", "--mount", "sh", "-c", 'echo ready; exec "$@"', "sh", "sleep", "infinity"],
            stdout=subprocess.PIPE,
            cwd="/",
        )
        assert self._holder.stdout is not None
        assert self._holder.stdout.readline() == b"ready\n"
        for there, here in (("/usr/sbin", real), (self._sbin, "/usr/sbin")):
            self.run("mount", "--bind", str(there), str(here)).check_returncode()
        self.run("mount", "--bind", str(self._fstab), "/etc/fstab").check_returncode()

    def run(self, *words: str, user: int = 0) -> Done:
        """A command in the namespace, with the environment that a boot or a login gives."""
        command = ["nsenter", f"--target={self._holder.pid}", "--mount", "--root", "--wd"]
        if user:
            command += ["setpriv", f"--reuid={user}", f"--regid={user}", "--clear-groups"]
        path = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
        return subprocess.run(
            [*command, *words],
            capture_output=True,
            text=True,
            check=False,
            cwd="/",
            env={"PATH": path, "LC_ALL": "C.UTF-8"},
        )

    def helpers(self, *names: str) -> None:
        """Have these helpers in /sbin, and no others of this program's."""
        for name in HELPERS:
            (self._sbin / name).unlink(missing_ok=True)
            if name in names:
                (self._sbin / name).symlink_to("pstorefs")

    @contextlib.contextmanager
    def without_fuse3(self) -> Iterator[None]:
        """As where the package fuse3 is missing: no helper of its in /sbin."""
        theirs = [self._sbin / name for name in ("mount.fuse", "mount.fuse3")]
        links = {path: path.readlink() for path in theirs if path.is_symlink()}
        assert links
        for path in links:
            path.unlink()
        try:
            yield
        finally:
            for path, target in links.items():
                path.symlink_to(target)

    def fstab(self, *lines: str) -> None:
        # Written in place: a new file would not be the one that is bound to /etc/fstab.
        self._fstab.write_text("".join(f"{line}\n" for line in lines))

    def found(self, column: str) -> list[str]:
        """What findmnt says of the mount point, one entry per mount that lies there."""
        done = self.run("findmnt", "-rno", column, "--mountpoint", str(self.point))
        return done.stdout.splitlines()

    def clean(self) -> None:
        """Take away what a test left mounted."""
        while self.found("TARGET"):
            self.run("umount", "--lazy", str(self.point)).check_returncode()

    def end(self) -> None:
        self.clean()
        self._holder.kill()
        self._holder.wait()
        assert self._holder.stdout is not None
        self._holder.stdout.close()


@pytest.fixture(scope="module")
def the_machine() -> Iterator[Machine]:
    home = Path(tempfile.mkdtemp(prefix="pstorefs-mount8-"))
    home.chmod(0o755)
    with contextlib.ExitStack() as stack:
        stack.callback(shutil.rmtree, home)
        machine = Machine(home)
        stack.callback(machine.end)
        yield machine


@pytest.fixture
def machine(the_machine: Machine) -> Iterator[Machine]:
    the_machine.helpers(*HELPERS)
    the_machine.fstab()
    yield the_machine
    the_machine.clean()


# The four ways from mount(8) to this program
OWN = "type pstorefs, own helper"
FUSE = "type fuse.pstorefs, own helper"
FUSE3 = "type fuse.pstorefs, mount.fuse3"
OLD = "type fuse, mount.fuse3"
TYPES = {OWN: "pstorefs", FUSE: "fuse.pstorefs", FUSE3: "fuse.pstorefs", OLD: "fuse"}


@dataclass(frozen=True)
class Case:
    """One mount command. `options` may hold {...} for the user's own uid."""

    way: str
    options: str = ""
    flags: str = ""
    user: bool = False
    status: int = 0
    #: Words of findmnt's option column that must be there; with a leading - must not.
    shown: str = ""
    #: What an error must say.
    says: str = ""

    def __str__(self) -> str:
        who = "nobody" if self.user else "root"
        return f"{who}, {self.way}: {self.flags} {self.options}".strip()


ALWAYS = "nosuid nodev noexec default_permissions"
CASES = [
    # Options that change something
    Case(OWN, shown=f"rw user_id=0 group_id=0 -allow_other {ALWAYS}"),
    Case(FUSE, shown=f"rw -allow_other {ALWAYS}"),
    Case(FUSE3, shown=f"rw -allow_other {ALWAYS}"),
    Case(OLD, shown=f"rw -allow_other {ALWAYS}"),
    Case(OWN, "ro", shown=f"ro -rw {ALWAYS}"),
    Case(FUSE, "ro", shown="ro -rw"),
    Case(FUSE3, "ro", shown="ro -rw"),
    Case(OWN, flags="--read-only", shown="ro -rw"),
    Case(OWN, flags="--rw", shown="rw -ro"),
    Case(OWN, "ro,rw", shown="rw -ro"),
    Case(OWN, "allow_other", shown="allow_other"),
    Case(FUSE3, "allow_other", shown="allow_other"),
    Case(OLD, "allow_other,ro", shown="allow_other ro"),
    Case(OWN, "allow_other,gid=adm,umask=027", shown="allow_other"),
    Case(FUSE3, "allow_other,gid=adm,umask=027", shown="allow_other"),
    Case(OWN, "uid=nobody,gid=nogroup,fmask=0137,dmask=027"),
    Case(FUSE3, "uid=65534,fmask=0337,dmask=0227"),
    Case(OWN, "plain"),
    Case(FUSE3, "plain,allow_other", shown="allow_other"),
    Case(OWN, "plain", flags="-o allow_other -o ro", shown="allow_other ro"),
    # Options that are always on, or have no meaning here
    Case(OWN, "defaults"),
    Case(FUSE3, "defaults"),
    Case(OWN, "nosuid,nodev,noexec", shown=ALWAYS),
    Case(OWN, "suid,dev,exec", shown=ALWAYS),
    Case(FUSE3, "suid,dev,exec", shown=ALWAYS),
    Case(OWN, "atime,diratime,relatime,strictatime,lazytime"),
    Case(FUSE, "noatime,nodiratime,norelatime,nostrictatime,nolazytime"),
    Case(FUSE3, "noatime,nodiratime"),
    Case(FUSE3, "relatime,lazytime,strictatime"),
    Case(OWN, "sync,dirsync,mand,iversion,silent"),
    Case(FUSE3, "async,nomand,noiversion,loud"),
    Case(OWN, "auto,user,group,owner,users,_netdev,nofail"),
    Case(FUSE3, "noauto,nouser,_netdev,nofail"),
    Case(OWN, "comment=one,x-systemd.automount,x-systemd.idle-timeout=60,X-mount.mkdir=0755"),
    Case(FUSE3, "x-systemd.automount,x-systemd.requires=a.service,x-gvfs-hide"),
    Case(OWN, 'x-note="one, two",ro', shown="ro"),
    Case(OWN, "default_permissions,nonempty,subtype=pstorefs,fsname=other,symfollow"),
    Case(OWN, flags="-n -v -s", options="ro,frobnicate", shown="ro"),
    Case(FUSE3, flags="-n -v"),
    # Refusals, each by name
    Case(OWN, "remount", status=1, says="remount is not possible: unmount and mount again"),
    Case(FUSE, "remount,ro", status=1, says="remount is not possible"),
    Case(FUSE3, "remount", status=1, says="remount"),
    Case(OWN, "frobnicate", status=1, says="unknown option frobnicate"),
    Case(FUSE3, "frobnicate", status=1, says="unknown option frobnicate"),
    Case(OWN, "allow_root", status=1, says="allow_other"),
    Case(OWN, "umask", status=1, says="umask needs a value"),
    Case(OWN, "umask=9", status=1, says="umask: 9 is not an octal mask"),
    Case(OWN, "plain=yes", status=1, says="plain takes no value"),
    # As an ordinary user: through the option user of fstab, and fusermount3
    Case(OWN, user=True, shown=f"rw user_id={NOBODY} {ALWAYS}"),
    Case(FUSE, user=True, shown=f"rw user_id={NOBODY} {ALWAYS}"),
    Case(FUSE3, user=True, shown=f"rw user_id={NOBODY} {ALWAYS}"),
    Case(OWN, "ro,noatime,x-note=mine", user=True, shown="ro -rw"),
    Case(FUSE3, "ro,noauto", user=True, shown="ro -rw"),
    Case(OWN, "exec,dev,suid", user=True, shown=ALWAYS),
    Case(OWN, "gid=nogroup,umask=077", user=True),
    Case(OWN, "allow_other", user=True, status=32, says="user_allow_other"),
    Case(FUSE3, "allow_other", user=True, status=32, says="user_allow_other"),
    Case(OWN, "frobnicate", user=True, status=1, says="unknown option frobnicate"),
]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_each_way_to_mount_passes_the_options_on(case: Case, machine: Machine) -> None:
    source = str(machine.source)
    machine.helpers(*(() if case.way in (FUSE3, OLD) else HELPERS))
    first_field = f"pstorefs#{source}" if case.way == OLD else source
    if case.user:
        options = ",".join(filter(None, ["noauto", "user", case.options]))
        machine.fstab(f"{first_field} {machine.point} {TYPES[case.way]} {options} 0 0")
        done = machine.run("mount", *case.flags.split(), str(machine.point), user=NOBODY)
    else:
        words = [*case.flags.split(), "-t", TYPES[case.way]]
        words += ["-o", case.options] if case.options else []
        done = machine.run("mount", *words, first_field, str(machine.point))
    assert done.returncode == case.status, done.stderr
    if case.status:
        assert done.stderr.startswith("pstorefs: ")
        assert case.says in done.stderr
        assert machine.found("TARGET") == []
        return
    assert done.stderr == ""
    assert machine.found("FSTYPE") == ["fuse.pstorefs"]
    assert machine.found("SOURCE") == [source]
    options_shown = set(machine.found("OPTIONS")[0].split(","))
    for word in case.shown.split():
        assert (word.removeprefix("-") in options_shown) != word.startswith("-"), word
    user = NOBODY if case.user else 0
    listed = machine.run("ls", str(machine.point), user=user)
    assert sum(name.startswith("dmesg-") for name in listed.stdout.split()) == RECORDS
    assert machine.run("umount", str(machine.point), user=user).returncode == 0
    assert machine.found("TARGET") == []


def test_the_table_is_long_enough_to_mean_something() -> None:
    assert len(CASES) >= 40


@pytest.mark.parametrize("way", [OWN, FUSE])
def test_both_types_mount_where_fuse3_is_missing(way: str, machine: Machine) -> None:
    machine.fstab(f"{machine.source} {machine.point} {TYPES[way]} ro 0 0")
    with machine.without_fuse3():
        done = machine.run("mount", "-a")
        assert (done.returncode, done.stderr) == (0, "")
        assert machine.found("SOURCE") == [str(machine.source)]
        assert machine.run("umount", str(machine.point)).returncode == 0


@pytest.mark.parametrize("place", ["README.md", "debian/pstorefs.links"])
def test_whatever_installs_it_links_a_helper_for_each_type(place: str) -> None:
    linked = re.findall(r"bin/pstorefs /?usr/sbin/(\S+)$", (ROOT / place).read_text(), re.MULTILINE)
    assert sorted(linked) == sorted(HELPERS)


@pytest.mark.parametrize("way", [OWN, FUSE, FUSE3])
@pytest.mark.parametrize("source", ["records", "pstore", "none", "pstorefs"])
def test_mount_a_twice_mounts_once(way: str, source: str, machine: Machine) -> None:
    machine.helpers(*(() if way == FUSE3 else HELPERS))
    first_field = str(machine.source) if source == "records" else source
    if source != "records":
        _have_pstore(machine)
    machine.fstab(f"{first_field} {machine.point} {TYPES[way]} ro,allow_other 0 0")
    for _ in range(2):
        done = machine.run("mount", "-a")
        assert (done.returncode, done.stderr) == (0, "")
        assert machine.found("SOURCE") == [first_field]
    assert machine.run("umount", "-a", "-t", "fuse.pstorefs").returncode == 0
    assert machine.found("TARGET") == []


def _have_pstore(machine: Machine) -> None:
    if machine.run("mountpoint", "-q", "/sys/fs/pstore").returncode:
        done = machine.run("mount", "-t", "pstore", "pstore", "/sys/fs/pstore")
        if done.returncode:
            pytest.skip(f"this kernel has no pstore to mount: {done.stderr}")


def test_another_fstab_and_the_other_forms_of_mount(machine: Machine) -> None:
    source, point = str(machine.source), str(machine.point)
    other = machine.home / "other-fstab"
    other.write_text(f"{source} {point} pstorefs ro 0 0\n")
    assert machine.run("mount", "-T", str(other), point).returncode == 0
    assert machine.found("SOURCE") == [source]
    assert machine.run("umount", point).returncode == 0
    machine.fstab(f"{source} {point} pstorefs ro 0 0")
    # By the source alone, and with options added to those of the line.
    for words in ((source,), (point, "-o", "allow_other"), ("--target", point)):
        assert machine.run("mount", *words).returncode == 0
        assert "ro" in machine.found("OPTIONS")[0].split(",")
        assert machine.run("umount", point).returncode == 0


def test_blanks_commas_and_odd_letters_in_paths(machine: Machine) -> None:
    odd = machine.home / "odd, name=x \\ 'quoted' ü"
    if not odd.exists():
        odd.mkdir(mode=0o755)
        (odd / "dmesg-erst-1").write_text("Panic#1 Part1\n<0>[    1.0] hello\n")
    field = str(odd).replace("\\", r"\134").replace(" ", r"\040")
    machine.fstab(f"{field} {machine.point} pstorefs plain 0 0")
    for _ in range(2):
        done = machine.run("mount", "-a")
        assert (done.returncode, done.stderr) == (0, "")
    assert machine.run("ls", str(machine.point)).stdout == "dmesg-erst-1\n"
    found = machine.run("findmnt", "-no", "SOURCE", "--mountpoint", str(machine.point)).stdout
    assert found == f"{odd}\n"


def test_check_only_mounts_nothing_and_finds_faults(machine: Machine) -> None:
    source, point = str(machine.source), str(machine.point)
    for words in (("-t", "pstorefs"), ("-t", "fuse.pstorefs")):
        assert machine.run("mount", "-f", *words, source, point).returncode == 0
        assert machine.found("TARGET") == []
    done = machine.run("mount", "-f", "-t", "pstorefs", "/nowhere", point)
    assert done.returncode == 32
    assert "/nowhere: no such directory" in done.stderr


def test_remount_of_a_mount_is_refused_and_leaves_it(machine: Machine) -> None:
    source, point = str(machine.source), str(machine.point)
    machine.fstab(f"{source} {point} pstorefs defaults 0 0")
    assert machine.run("mount", point).returncode == 0
    before = machine.found("OPTIONS")
    done = machine.run("mount", "-o", "remount,ro", point)
    assert done.returncode != 0
    assert "remount is not possible" in done.stderr
    assert machine.found("OPTIONS") == before
    assert machine.run("ls", point).returncode == 0


def test_a_second_mount_on_the_same_place_is_refused(machine: Machine) -> None:
    source, point = str(machine.source), str(machine.point)
    assert machine.run("mount", "-t", "pstorefs", source, point).returncode == 0
    done = machine.run("mount", "-t", "pstorefs", source, point)
    assert done.returncode == 32
    assert "busy" in done.stderr
    assert machine.found("SOURCE") == [source]


def test_a_user_may_not_mount_on_roots_directories_nor_unmount_roots_mounts(
    machine: Machine,
) -> None:
    source, point = str(machine.source), str(machine.point)
    machine.fstab(f"{source} /mnt pstorefs noauto 0 0", f"{source} {point} pstorefs noauto 0 0")
    done = machine.run("mount", "/mnt", user=NOBODY)
    assert done.returncode == 32
    assert "/mnt: cannot mount" in done.stderr
    assert machine.run("mount", point).returncode == 0
    assert machine.run("umount", point, user=NOBODY).returncode != 0
    assert machine.run("ls", point).returncode == 0


# findmnt knows a list of file systems by heart, and calls every other FUSE "unsupported by the
# current kernel" (sshfs is on the list, bindfs and we are not). These three it says of all those.
FINDMNT_SAYS_OF_ALL = (
    "unreachable source",
    "non-bind mount source",
    "seems unsupported by the current kernel",
    "cannot detect on-disk filesystem type",
)
LINES = [
    "pstore {} pstorefs nofail,allow_other,gid=adm,umask=027 0 0",
    "pstore {} fuse.pstorefs nofail,allow_other,gid=adm,umask=027 0 0",
    "pstore {} pstorefs nofail,noauto,x-systemd.automount,x-systemd.idle-timeout=60 0 0",
    "/sys/fs/pstore {} fuse.pstorefs nofail,ro 0 0",
    "pstorefs#pstore {} fuse nofail,ro 0 0",
]


@pytest.mark.parametrize("line", LINES)
def test_findmnt_verifies_the_lines_of_the_manual(line: str, machine: Machine) -> None:
    tab = machine.home / "tab"
    tab.write_text(line.format(machine.point) + "\n")
    done = machine.run("findmnt", "--verify", "--tab-file", str(tab))
    assert done.returncode == 0, done.stdout
    # Where systemd-analyze has run, it also compares the age of /etc/fstab with systemd's.
    complaints = [
        text
        for text in done.stdout.splitlines()
        if ("[W]" in text or "[E]" in text) and "fstab has been modified" not in text
    ]
    assert all(any(known in text for known in FINDMNT_SAYS_OF_ALL) for text in complaints)
    if " fuse " in line:
        assert complaints == []


@pytest.mark.parametrize("way", [OWN, FUSE, FUSE3])
def test_a_fleets_store_is_mounted_by_fstab_once(way: str, machine: Machine) -> None:
    store = machine.home / "fleet"
    if not store.exists():
        store.mkdir()
        write(store, list(crashes(5, datetime.now(timezone.utc))))
    machine.helpers(*(HELPERS if way in (OWN, FUSE) else ()))
    source = f"file://{store}"
    machine.run("mount", "-t", "tmpfs", "tmpfs", "/var/cache").check_returncode()
    machine.fstab(f"{source} {machine.point} {TYPES[way]} ro,allow_other,umask=022,_netdev 0 0")
    for _ in range(2):
        done = machine.run("mount", "-a")
        assert (done.returncode, done.stderr) == (0, "")
        assert machine.found("SOURCE") == [source]
    found = machine.run("find", str(machine.point), "-name", "report.txt", user=NOBODY)
    assert len(found.stdout.splitlines()) == 5, found.stderr
    assert machine.run("umount", str(machine.point)).returncode == 0
