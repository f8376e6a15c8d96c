"""The fleet's mount, real, over a real SeaweedFS, a directory, and servers that fail or lie."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import re
import signal
import subprocess
import sys
import tarfile
import threading
import time
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest

from pstorefs.system.capabilities import DAC_READ_SEARCH, SYS_ADMIN
from tests.fleet import servers
from tests.fleet.crashes import Crash, crash, crashes, write
from tests.fleet.family import below, status
from tests.fleet.liar import Liar
from tests.mount.conftest import COMMAND, NOBODY, Mount, mounted

ROOT = Path(__file__).parents[2]
NOW = datetime.now(timezone.utc).replace(microsecond=0)
KEY = {"AWS_ACCESS_KEY_ID": servers.ALL[0], "AWS_SECRET_ACCESS_KEY": servers.ALL[1]}
FLEET = list(crashes(40, NOW, days=20))


class FleetMount(Mount):
    """A mount of a store in the foreground, with a cache of its own."""

    def __init__(self, url: str, base: Path, options: str, cache: Path) -> None:
        self.cache = cache
        os.environ["CACHE_DIRECTORY"] = str(cache)
        os.environ.update(KEY | {"PYTHONFAULTHANDLER": "1"})
        super().__init__(url, base / "mnt", *(["-o", options] if options else []))  # type: ignore[arg-type]

    def end(self) -> int:
        done = subprocess.run(["umount", self.point], capture_output=True, text=True, check=False)
        try:
            return self.process.wait(30)
        except subprocess.TimeoutExpired:
            self.process.send_signal(signal.SIGABRT)  # faulthandler prints where all threads are
            self.process.wait(10)
            raise AssertionError(f"it does not end: umount: {done}: {self.errors()}") from None

    def dumps(self) -> list[Path]:
        return sorted(self.point.glob("signatures/*/2*"))


Maker = Callable[..., FleetMount]


@pytest.fixture
def fleet(tmp_path: Path) -> Iterator[Maker]:
    """Make mounts, called as ``fleet(url, options)``; at the end all are checked."""
    made: list[FleetMount] = []
    before = dict(os.environ)
    try:

        def make(url: str, options: str = "", cache: Path | None = None) -> FleetMount:
            base = tmp_path / f"mount{len(made)}"
            base.mkdir()
            made.append(FleetMount(url, base, options, cache or base / "cache"))
            return made[-1]

        yield make
        for one in made:
            if one.process.poll() is None:
                assert one.end() == 0, one.errors()
            one.check()
    finally:
        for one in made:
            one.abandon()
        os.environ.clear()
        os.environ.update(before)


@pytest.fixture(scope="session")
def stored(endpoint: str) -> str:
    """The URL of a prefix with `FLEET` in it."""
    words = (
        "import datetime; from tests.fleet.crashes import crashes, put;"
        f"until = datetime.datetime.fromisoformat({NOW.isoformat()!r});"
        f"put({endpoint!r}, 'mounted', list(crashes(40, until, days=20)))"
    )
    subprocess.run([sys.executable, "-c", words], check=True, cwd=ROOT)
    return f"s3://{servers.BUCKET}/mounted"


@pytest.fixture
def spool(tmp_path: Path) -> Path:
    directory = tmp_path / "spool"
    directory.mkdir()
    write(directory, FLEET)
    return directory


def called(one: Crash) -> str:
    names = one.names
    return f"signatures/{names.label}/{names.dump}_{names.host}_{names.id16}"


def whole(mount: FleetMount, one: Crash) -> dict[str, bytes]:
    """All files of a dump, as the mount shows them."""
    place = mount.point / called(one)
    return {
        str(path.relative_to(place)): path.read_bytes()
        for path in place.rglob("*")
        if path.is_file()
    }


def check_all(mount: FleetMount) -> None:
    """What must hold of a mount of `FLEET`."""
    assert sorted(os.listdir(mount.point)) == ["days", "machines", "signatures", "status"]
    labels = {one.names.label for one in FLEET}
    assert set(os.listdir(mount.point / "signatures")) == labels
    assert set(os.listdir(mount.point / "machines")) == {one.names.host for one in FLEET}
    assert set(os.listdir(mount.point / "days")) == {one.names.date for one in FLEET}
    for one in FLEET:
        assert whole(mount, one) == one.files
        assert (mount.point / called(one)).stat().st_mtime == one.names.moment
        name = called(one).rpartition("/")[2]
        for way in (f"machines/{one.names.host}", f"days/{one.names.date}"):
            assert os.path.samefile(mount.point / way / name, mount.point / called(one))
    status = (mount.point / "status").read_text()
    assert re.search(r"^In all: +40 crashes, ", status, re.MULTILINE)
    for label in labels:
        summary = json.loads((mount.point / "signatures" / label / "summary.json").read_bytes())
        assert summary["count"] == sum(one.names.label == label for one in FLEET)


def test_a_store_on_a_network_is_shown_whole(stored: str, endpoint: str, fleet: Maker) -> None:
    check_all(fleet(stored, f"endpoint={endpoint}"))


def test_a_store_that_is_a_directory_is_shown_whole(spool: Path, fleet: Maker) -> None:
    check_all(fleet(f"file://{spool}"))


def test_lists_cost_list_alone_and_each_bundle_one_get(
    stored: str, endpoint: str, fleet: Maker
) -> None:
    with servers.Proxy(endpoint) as proxy:
        mount = fleet(stored, f"endpoint={proxy.endpoint}")
        subprocess.run(
            ["ls", "-lR", "machines", "days"],
            cwd=mount.point, check=True, stdout=subprocess.DEVNULL,
        )  # fmt: skip
        for label in os.listdir(mount.point / "signatures"):
            os.listdir(mount.point / "signatures" / label)
            (mount.point / "signatures" / label / "summary.json").read_bytes()
        (mount.point / "status").read_bytes()
        assert all("list-type" in path for _, path, _ in proxy.seen)
        assert {method for method, _, _ in proxy.seen} == {"GET"}
        proxy.seen.clear()
        found = subprocess.run(
            ["grep", "-rl", "BUG: crash 7 ", mount.point], capture_output=True, check=True
        )
        assert len(found.stdout.splitlines()) == 2
        gets = [path for _, path, _ in proxy.seen if "list-type" not in path]
        assert len(gets) == len(set(gets)) == len(FLEET)


def test_programs_work_there_as_anywhere(spool: Path, fleet: Maker, tmp_path: Path) -> None:
    mount = fleet(f"file://{spool}")
    tar = subprocess.run(
        ["tar", "-C", mount.point, "-cf", "-", "."], capture_output=True, check=False
    )
    assert (tar.returncode, tar.stderr) == (0, b"")
    (tmp_path / "all.tar").write_bytes(tar.stdout)
    with tarfile.open(tmp_path / "all.tar") as packed:
        files = {each.name: each.size for each in packed if each.isfile()}
    one = FLEET[3]
    assert files[f"./{called(one)}/raw/dmesg-erst-1"] == len(one.raw)
    find = ["find", "signatures", "-name", "report.txt", "-size", "-2", "-newermt", "2000-01-01"]
    found = subprocess.run(find, cwd=mount.point, capture_output=True, check=True, text=True)
    assert len(found.stdout.splitlines()) == len(FLEET)
    rsync = ["rsync", "-a", "--checksum", f"{mount.point}/signatures/", tmp_path / "copy"]
    subprocess.run(rsync, check=True)
    assert (tmp_path / "copy" / called(one).partition("/")[2] / "report.txt").read_bytes() == (
        one.files["report.txt"]
    )


def test_nothing_can_be_changed(spool: Path, fleet: Maker) -> None:
    mount = fleet(f"file://{spool}")
    place = mount.point / called(FLEET[0])
    for change in (
        lambda: (place / "report.txt").write_bytes(b"x"),
        (place / "report.txt").unlink,
        place.rmdir,
        (mount.point / "new").mkdir,
        lambda: (mount.point / "status").chmod(0o777),
        lambda: (mount.point / "days" / FLEET[0].names.date).rename(mount.point / "x"),
    ):
        with pytest.raises(OSError) as raised:  # noqa: PT011 (any of these)
            change()
        assert raised.value.errno in (errno.EROFS, errno.EPERM, errno.EACCES)


RIGHTS = [
    ("", 0o500, 0o400),
    ("allow_other", 0o500, 0o400),
    ("allow_other,umask=027", 0o550, 0o440),
    ("allow_other,umask=022,uid=65534", 0o555, 0o444),
]


@pytest.mark.parametrize(("options", "directory", "file"), RIGHTS)
def test_nobody_gets_more_than_who_mounts_unless_told(
    options: str, directory: int, file: int, spool: Path, fleet: Maker
) -> None:
    mount = fleet(f"file://{spool}", options)
    place = mount.point / called(FLEET[0])
    for path in (mount.point, mount.point / "days", place, place / "raw"):
        assert path.stat().st_mode & 0o777 == directory
    for path in (mount.point / "status", place / "report.txt", place / "raw" / "dmesg-erst-1"):
        assert path.stat().st_mode & 0o777 == file


def test_status_and_summary_can_be_read_before_and_after_another_machine_has_sent(
    tmp_path: Path, fleet: Maker
) -> None:
    directory = tmp_path / "spool"
    directory.mkdir()
    first, second = (crash(n, NOW, label="oops-f-12345678", machine=f"m{n}") for n in (1, 2))
    write(directory, [first])
    mount = fleet(f"file://{directory}")
    status, summary = (
        mount.point / "status",
        mount.point / "signatures/oops-f-12345678/summary.json",
    )
    with status.open() as held:
        assert " 1 crash," in status.read_text()
        assert json.loads(summary.read_bytes())["count"] == 1
        write(directory, [second])
        end = time.monotonic() + 40
        while json.loads(summary.read_bytes())["count"] != 2:
            assert time.monotonic() < end
            time.sleep(0.2)
        assert " 2 crashes," in status.read_text()
        assert " 2 crashes," in status.read_text()
        assert " 1 crash," in held.read()  # who has opened it goes on seeing what it was


@pytest.mark.slow
def test_a_dump_that_grew_is_shown_once(tmp_path: Path, fleet: Maker) -> None:
    directory = tmp_path / "spool"
    directory.mkdir()
    old = crash(1, NOW, raw=b"a")
    new = crash(1, NOW, raw=b"ab", replaces=old.id)
    write(directory, [old])
    mount = fleet(f"file://{directory}")
    assert whole(mount, old)["raw/dmesg-erst-1"] == b"a"
    write(directory, [new])
    end = time.monotonic() + 40
    while [path.name[-16:] for path in mount.dumps()] != [new.names.id16]:
        assert time.monotonic() < end
        time.sleep(0.2)
    assert whole(mount, new)["raw/dmesg-erst-1"] == b"ab"


# A store that fails


@pytest.mark.slow
def test_a_busy_store_that_loses_answers_is_read_all_the_same(
    stored: str, endpoint: str, fleet: Maker
) -> None:
    with servers.Proxy(endpoint, busy=0.1, lost=0.03, seed=2) as proxy:
        mount = fleet(stored, f"endpoint={proxy.endpoint},nofail")
        mount.expect("mounted anyway")
        mount.expect("what is not known yet cannot be read")
        mount.expect("answers again")
        mount.expect("cannot be listed")
        wrong = 0
        end = time.monotonic() + 60
        while len(mount_dumps(mount)) < len(FLEET):
            assert time.monotonic() < end
            time.sleep(0.5)
        for one in FLEET:
            try:
                assert whole(mount, one) in (one.files, {})
            except OSError:
                wrong += 1
        assert wrong <= 2


def mount_dumps(mount: FleetMount) -> list[Path]:
    """All dumps; none while that cannot be had."""
    try:
        return [
            place
            for label in (mount.point / "signatures").iterdir()
            for place in label.iterdir()
            if place.name != "summary.json"
        ]
    except OSError:
        return []


ANSWERS: list[Any] = [
    ({"always": 403}, errno.EACCES),
    ({"always": 404}, errno.EIO),
    ({"always": 503}, errno.EBUSY),
    # A redirection to nowhere: obstore tells no status.
    pytest.param({"always": 301}, errno.EHOSTDOWN, marks=pytest.mark.slow),
    ({"nonsense": b"<html>Please log in</html>"}, errno.EIO),
    pytest.param({"lost": 1.0}, errno.EHOSTDOWN, marks=pytest.mark.slow),
]


@pytest.mark.parametrize(("how", "number"), ANSWERS, ids=lambda each: str(each)[:30])
def test_what_a_store_does_not_give_is_an_error_and_no_more(
    how: dict[str, Any], number: int, stored: str, endpoint: str, fleet: Maker
) -> None:
    with servers.Proxy(endpoint) as proxy:
        mount = fleet(stored, f"endpoint={proxy.endpoint}")
        mount.expect("what is not known yet cannot be read")
        mount.expect("answers again")
        mount.expect("refused")
        mount.expect("404")
        mount.expect("301")
        mount.expect(".tar.gz")
        known = whole(mount, FLEET[0])
        for name, value in how.items():
            setattr(proxy, name, value)
        with pytest.raises(OSError) as raised:  # noqa: PT011 (the errno is looked at)
            os.listdir(mount.point / called(FLEET[1]))
        assert raised.value.errno == number
        assert whole(mount, FLEET[0]) == known, "what was read before goes on being shown"
        assert len(os.listdir(mount.point / "days")) == len({one.names.date for one in FLEET})
        for name, value in {"always": 0, "nonsense": b"", "lost": 0.0}.items():
            setattr(proxy, name, value)
        assert whole(mount, FLEET[2]) == FLEET[2].files


def test_a_store_that_is_slow_holds_up_nobody_else(
    stored: str, endpoint: str, fleet: Maker
) -> None:
    with servers.Proxy(endpoint) as proxy:
        mount = fleet(stored, f"endpoint={proxy.endpoint}")
        known = whole(mount, FLEET[0])
        proxy.delay = 3.0
        got: list[dict[str, bytes]] = []
        readers = [
            threading.Thread(target=lambda one=one: got.append(whole(mount, one)))
            for one in FLEET[1:31]
        ]
        for reader in readers:
            reader.start()
        time.sleep(0.3)
        begun = time.monotonic()
        for _ in range(3):
            assert whole(mount, FLEET[0]) == known
            (mount.point / called(FLEET[35])).stat()
            assert len(os.listdir(mount.point / "days")) > 1
            (mount.point / "status").read_bytes()
        assert any(reader.is_alive() for reader in readers)
        assert time.monotonic() - begun < 3.0, "nobody waited for the store"
        proxy.delay = 0.0
        for reader in readers:
            reader.join()
        assert len(got) == 30


def test_a_store_that_is_killed_in_the_middle_of_grep(fleet: Maker) -> None:
    """Its own server, which dies: the rest are errors, what was read stays, the mount lives."""
    with contextlib.ExitStack() as stack:
        liar = stack.enter_context(Liar())
        for one in FLEET:
            liar.objects[f"p/{one.names.bundle_key}"] = one.bundle
            liar.objects[f"p/{one.names.index_key}"] = one.line
        mount = fleet("s3://b/p", f"endpoint={liar.endpoint}")
        mount.expect("what is not known yet cannot be read")
        assert len(mount.dumps()) == len(FLEET)
        grep = subprocess.Popen(
            ["grep", "-rc", "BUG:", mount.point / "signatures"],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        while len([path for path in liar.seen if "v1/dumps" in path]) < 10:
            time.sleep(0.001)
    out, err = grep.communicate(timeout=120)
    assert grep.returncode == 2
    assert len(re.findall(r"dmesg\.txt:\d+$", out, re.MULTILINE)) >= 10
    assert "Host is down" in err
    assert mount.process.poll() is None
    assert len(mount.dumps()) == len(FLEET)
    assert mount.errors().count("what is not known yet cannot be read") == 1


def test_the_end_of_the_library_is_no_end_of_the_mount(fleet: Maker) -> None:
    with Liar() as liar:
        for one in FLEET:
            liar.objects[f"p/{one.names.index_key}"] = one.line
            liar.objects[f"p/{one.names.bundle_key}"] = one.bundle
        mount = fleet("s3://b/p", f"endpoint={liar.endpoint}")
        for one in FLEET[:3]:
            _, worker = below(mount.process.pid)
            os.kill(worker, signal.SIGABRT)  # as Rust does of an answer without end
            assert whole(mount, one) == one.files
        assert mount.process.poll() is None


@pytest.mark.skipif(os.geteuid() != 0, reason="an ordinary user has nothing to give up")
def test_no_thread_keeps_privileges_and_none_speaks_to_the_store_with_any(fleet: Maker) -> None:
    reads, unmounts = 1 << DAC_READ_SEARCH, 1 << SYS_ADMIN
    with Liar() as liar:
        mount = fleet("s3://b/p", f"endpoint={liar.endpoint}")
        assert "Machines:" in (mount.point / "status").read_text()
        keeper, worker = below(mount.process.pid)
        for process, held in (
            (mount.process.pid, reads | unmounts), (keeper, reads), (worker, 0),
        ):  # fmt: skip
            assert status(process, "CapPrm") == {f"{held:016x}"}
            assert status(process, "NoNewPrivs") == {"1"}
        # Where memory ends, the kernel is to take the worker, and not the mount.
        ranks = [int(Path(f"/proc/{one}/oom_score_adj").read_text()) for one in (keeper, worker)]
        assert ranks[1] > ranks[0]


@pytest.mark.skipif(os.geteuid() != 0, reason="an ordinary user has nothing to give up")
def test_a_new_keeper_has_the_credentials_that_the_first_one_had(
    fleet: Maker, tmp_path: Path
) -> None:
    """They are somebody else's, and a keeper that is begun when all runs may read no such file."""
    words = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=x"]
    made = subprocess.run(
        [*words, "-keyout", tmp_path / "key"], stdout=subprocess.PIPE, text=True, check=True,
        stderr=subprocess.DEVNULL,
    )  # fmt: skip
    keys = "AWS_ACCESS_KEY_ID=k\nAWS_SECRET_ACCESS_KEY=s\n"
    files = {"credentials": keys, "ca": made.stdout}
    theirs = tmp_path / "theirs"
    theirs.mkdir()
    for name, text in files.items():
        (theirs / name).write_text(text)
        (theirs / name).chmod(0o400)
        os.chown(theirs / name, NOBODY, -1)
    theirs.chmod(0o500)
    os.chown(theirs, NOBODY, -1)
    named = ",".join(f"{name}={theirs / name}" for name in files)
    with Liar() as liar:
        for one in FLEET:
            liar.objects[f"p/{one.names.index_key}"] = one.line
            liar.objects[f"p/{one.names.bundle_key}"] = one.bundle
        mount = fleet("s3://b/p", f"endpoint={liar.endpoint},{named}")
        assert whole(mount, FLEET[0]) == FLEET[0].files
        for process in below(mount.process.pid):
            os.kill(process, signal.SIGKILL)
        assert whole(mount, FLEET[1]) == FLEET[1].files


@pytest.mark.slow
def test_closed_days_are_shown_after_a_new_start_without_the_store(fleet: Maker) -> None:
    old = [one for one in FLEET if one.names.moment < (NOW - timedelta(days=5)).timestamp()]
    with Liar() as liar:
        for one in FLEET:
            liar.objects[f"p/{one.names.index_key}"] = one.line
        mount = fleet("s3://b/p", f"endpoint={liar.endpoint}")
        assert len(mount.dumps()) == len(FLEET)
        assert mount.end() == 0
        options = f"endpoint={liar.endpoint},nofail"
    again = fleet("s3://b/p", options, mount.cache)
    again.expect("s3://b/p: ")
    assert len(again.dumps()) >= len(old)
    assert "Trouble:" in (again.point / "status").read_text()


def test_a_cache_directory_that_cannot_be_made_is_done_without(
    spool: Path, tmp_path: Path, fleet: Maker
) -> None:
    (tmp_path / "file").write_text("in its place")
    mount = fleet(f"file://{spool}", "", tmp_path / "file")
    mount.expect("is not kept")
    assert len(mount.dumps()) == len(FLEET)


def test_two_readers_of_a_cold_mount_see_the_same(stored: str, endpoint: str, fleet: Maker) -> None:
    mount = fleet(stored, f"endpoint={endpoint}")
    words = ["sh", "-c", "ls -R signatures | sort | sha256sum; cat signatures/*/2*/report.txt"]
    readers = [subprocess.Popen(words, cwd=mount.point, stdout=subprocess.PIPE) for _ in range(4)]
    said = {reader.communicate(timeout=100)[0] for reader in readers}
    assert len(said) == 1
    assert all(reader.returncode == 0 for reader in readers)


# A store that lies

ODD = ["..", "../x.json", "/x.json", "-.json", "..json", "x.json", "x" * 900, "x/y.json"]


def lying(liar: Liar, *keys: str) -> None:
    """Put the fleet there, and what nobody should."""
    for one in FLEET:
        liar.objects[f"p/{one.names.bundle_key}"] = one.bundle
        liar.objects[f"p/{one.names.index_key}"] = one.line
    liar.objects |= {f"p/v1/index/{key}": b"x" for key in keys}


def test_hostile_keys_appear_nowhere(fleet: Maker) -> None:
    day = FLEET[-1].names.date
    with Liar() as liar:
        lying(liar, *(f"date={day}/{name}" for name in ODD), "date=2026-13-01x/x.json")
        mount = fleet("s3://b/p", f"endpoint={liar.endpoint}")
        mount.expect("not index entries")
        mount.expect("not one that a program should make")
        assert {path.name for path in mount.dumps()} == {
            called(one).rpartition("/")[2] for one in FLEET
        }
        for path in mount.point.rglob("*"):
            assert re.fullmatch(r"[\w.~+-]+", path.name)


@pytest.mark.parametrize("name", ["a\nb.json", "2~/../x", "a//b"])
def test_a_key_that_cannot_be_named_is_told_of_and_hides_one_day_at_most(
    name: str, fleet: Maker
) -> None:
    day = FLEET[-1].names.date
    with Liar() as liar:
        lying(liar, f"date={day}/{name}")
        mount = fleet("s3://b/p", f"endpoint={liar.endpoint}")
        mount.expect("not one that a program should make")
        found = {path.name for path in mount.dumps()}
        assert found >= {called(one).rpartition("/")[2] for one in FLEET if one.names.date != day}
        assert "Trouble:" in (mount.point / "status").read_text()


@pytest.mark.parametrize("date", ["..", "a\nb", "/x"])
def test_a_day_that_cannot_be_named_hides_nothing(date: str, fleet: Maker) -> None:
    with Liar() as liar:
        lying(liar, f"date={date}/x.json")
        mount = fleet("s3://b/p", f"endpoint={liar.endpoint}")
        mount.expect("not one that a program should make")
        assert len(mount.dumps()) == len(FLEET)


def test_a_bundle_that_is_hostile_or_gone_is_an_error_of_its_own(fleet: Maker, spool: Path) -> None:
    bad, device, other, gone = FLEET[0], FLEET[1], FLEET[2], FLEET[4]
    (spool / bad.names.bundle_key).write_bytes(b"x" * 100)
    (spool / device.names.bundle_key).unlink()
    os.mkfifo(spool / device.names.bundle_key)
    (spool / other.names.bundle_key).write_bytes(FLEET[3].bundle)
    (spool / gone.names.bundle_key).unlink()
    mount = fleet(f"file://{spool}")
    mount.expect("v1/dumps/")
    grep = subprocess.run(
        ["grep", "-rl", "BUG: crash", mount.point], capture_output=True, text=True, check=False
    )
    assert grep.returncode == 2
    assert len(grep.stderr.splitlines()) == 4
    assert grep.stderr.count("Input/output error") == 4
    assert len(grep.stdout.splitlines()) == 2 * (len(FLEET) - 4)
    assert "refused" in mount.errors()
    assert f"{gone.names.bundle_key}: no such file" in mount.errors()


# Starting


def start(
    *words: str, environment: dict[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*COMMAND, *words], capture_output=True, text=True, check=False, timeout=100, cwd=ROOT,
        env={**os.environ, **KEY, **(environment or {})},
    )  # fmt: skip


def test_it_goes_to_the_background_and_ends_by_umount(
    stored: str, endpoint: str, tmp_path: Path
) -> None:
    point = tmp_path / "mnt"
    point.mkdir()
    cache = {"CACHE_DIRECTORY": str(tmp_path / "cache")}
    done = start("-o", f"endpoint={endpoint}", stored, str(point), environment=cache)
    try:
        assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
        assert len(list(point.glob("signatures/*/2*/report.txt"))) == len(FLEET)
        assert f"{stored} " in Path("/proc/mounts").read_text()
    finally:
        subprocess.run(["umount", point], check=True)
    assert not mounted(point)


COMPLAINTS = [
    ("s3://nobucket/x", "endpoint=http://127.0.0.1:9", 32, "s3://nobucket/x: "),
    ("s3:///x", "", 1, "has no bucket"),
    ("s3://b/x", "archive=/x", 1, "not for s3://b/x"),
    ("s3://b/x", "plain", 1, "not for s3://b/x"),
    ("/sys/fs/pstore", "endpoint=http://x", 1, "not for /sys/fs/pstore"),
    ("s3://b/x", "endpoint=ftp://x", 1, "does not begin with https:// or http://"),
    ("file:///nowhere", "", 32, "/nowhere"),
    ("fleet", "", 32, "fleet.conf"),
]


@pytest.mark.parametrize(("url", "options", "status", "words"), COMPLAINTS)
def test_what_cannot_be_mounted_says_why(
    url: str, options: str, status: int, words: str, tmp_path: Path
) -> None:
    place = {"CACHE_DIRECTORY": str(tmp_path / "c"), "CONFIGURATION_DIRECTORY": str(tmp_path)}
    point = tmp_path / "mnt"
    point.mkdir()
    done = start(*(["-o", options] if options else []), url, str(point), environment=place)
    assert done.returncode == status
    assert done.stderr.startswith("pstorefs: ")
    assert done.stderr.count("\n") == 1
    assert words in done.stderr
    assert not mounted(point)


def test_wrong_credentials_are_told_at_once(stored: str, endpoint: str, tmp_path: Path) -> None:
    wrong = {"AWS_SECRET_ACCESS_KEY": "wrong", "CACHE_DIRECTORY": str(tmp_path / "c")}
    point = tmp_path / "mnt"
    point.mkdir()
    done = start("-o", f"endpoint={endpoint}", stored, str(point), environment=wrong)
    assert done.returncode == 32
    assert "403" in done.stderr
    assert "credentials" in done.stderr


def test_a_mount_point_that_hides_the_store_is_refused(spool: Path, tmp_path: Path) -> None:
    done = start(f"file://{spool}", str(tmp_path), environment={"CACHE_DIRECTORY": "/tmp/x"})  # noqa: S108
    assert done.returncode == 32
    assert "hides" in done.stderr


def test_fleet_conf_and_credentials_are_read_as_those_of_ship(
    stored: str, endpoint: str, tmp_path: Path
) -> None:
    point = tmp_path / "mnt"
    point.mkdir()
    (tmp_path / "fleet.conf").write_text(f"# ours\nurl = {stored}\nendpoint = {endpoint}\n")
    (tmp_path / "pstorefs-fleet").write_text("".join(f"{k}={v}\n" for k, v in KEY.items()))
    place = {
        "CONFIGURATION_DIRECTORY": str(tmp_path),
        "CREDENTIALS_DIRECTORY": str(tmp_path),
        "CACHE_DIRECTORY": str(tmp_path / "cache"),
        "AWS_ACCESS_KEY_ID": "",
        "AWS_SECRET_ACCESS_KEY": "",
    }
    done = start("-o", "ro", "fleet", str(point), environment=place)
    try:
        assert (done.returncode, done.stderr) == (0, "")
        assert len(list(point.glob("signatures/*/2*"))) == len(FLEET)
    finally:
        subprocess.run(["umount", point], check=False)


@pytest.mark.slow
def test_a_signal_ends_it_although_the_store_hangs(
    stored: str, endpoint: str, tmp_path: Path
) -> None:
    with servers.Proxy(endpoint) as proxy:
        mount = FleetMount(stored, tmp_path, f"endpoint={proxy.endpoint}", tmp_path / "cache")
        try:
            assert len(mount.dumps()) == len(FLEET)
            proxy.delay = 30.0
            reader = subprocess.Popen(
                ["cat", mount.point / called(FLEET[0]) / "report.txt"],
                stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            )  # fmt: skip
            time.sleep(0.5)
            begun = time.monotonic()
            mount.process.send_signal(signal.SIGTERM)
            assert mount.process.wait(20) == 0
            assert time.monotonic() - begun < 15
            reader.wait(20)
            assert not mount.mounted()
        finally:
            mount.abandon()


def test_a_local_mount_has_nothing_of_this() -> None:
    words = "import pstorefs.mount.daemon, pstorefs.mount.assemble, sys; print(*sys.modules)"
    run = subprocess.run([sys.executable, "-c", words], capture_output=True, check=True, text=True)
    found = set(run.stdout.split())
    assert not {"obstore", "sqlite3", "pstorefs.mount.fleet", "pstorefs.fleet.days"} & found
