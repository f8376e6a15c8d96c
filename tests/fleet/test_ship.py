"""What a run does: order, bounds, receipts, refusals. The store is a directory, or a script."""

from __future__ import annotations

import errno
import hashlib
import io
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path

import pytest

from pstorefs.archive import layout
from pstorefs.cli import ship as command
from pstorefs.cli import ship_progress
from pstorefs.fleet import dumps, receipts, ship
from pstorefs.fleet.configured import pending
from pstorefs.fleet.parcel import Parcel, prepared
from pstorefs.fleet.retry import FIRST_BOUND, LAST_BOUND, TRIES, Clock, bound
from pstorefs.fleet.spool import Spool
from pstorefs.fleet.store import DONE, EXISTS, REFUSED, RETRY, Answer
from pstorefs.settings.ship import NOBODY, Ship, apply
from tests.fleet import site
from tests.fleet.family import children

ROOT = Path(__file__).parents[2]
NOBODY_ID = 65534


class Scripted:
    """A store that answers by a list, then DONE; keeps what it is given."""

    def __init__(self, answers: Iterable[Answer] = ()) -> None:
        self.answers = list(answers)
        self.keys: list[str] = []
        self.objects: dict[str, bytes] = {}

    def put(self, key: str, data: bytes, kind: str) -> Answer:
        self.keys.append(key)
        assert kind == ("application/json" if key.endswith(".json") else "application/gzip")
        outcome = self.answers.pop(0) if self.answers else Answer(DONE)
        if outcome.there:
            self.objects.setdefault(key, data)
        return outcome


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    return site.archived(tmp_path)


BUSY = Answer(RETRY, "503", store_wide=True)
GONE = Answer(RETRY, "no answer", store_wide=True)
DENIED = Answer(REFUSED, "403", store_wide=True)
TOO_LONG = Answer(REFUSED, "413")
ANSWERS: list[tuple[list[Answer], list[str], int, int]] = [
    # answers, results of the first dumps, exit status, requests
    ([], ["shipped"], 0, 20),
    ([Answer(EXISTS)] * 20, ["shipped"], 0, 20),
    ([BUSY, GONE, BUSY], ["shipped"], 0, 23),
    ([BUSY] * TRIES, ["remains", "shipped"], 3, 18 + TRIES),
    ([BUSY] * 100, ["remains"] * 10, 3, 3 * TRIES),
    ([Answer(DONE), *[BUSY] * TRIES], ["remains", "shipped"], 3, 19 + TRIES),
    ([DENIED], ["failed"] * 10, 2, 1),
    ([TOO_LONG], ["failed", "shipped"], 2, 19),
]


@pytest.mark.parametrize(("answers", "results", "status", "requests"), ANSWERS)
def test_what_a_store_answers_decides_what_becomes_of_a_dump(
    answers: list[Answer], results: list[str], status: int, requests: int,
    archive: Path, tmp_path: Path,
) -> None:  # fmt: skip
    store = Scripted(answers)
    sender = site.sender(archive, tmp_path / "state", store)
    found = site.run(sender)
    assert [result.result for result in found][: len(results)] == results
    assert (ship.status(found), len(store.keys)) == (status, requests)
    again = site.run(sender._replace(store=Scripted()))
    assert ship.status(again) == 0
    assert site.run(sender) == []


def test_a_folder_of_the_spool_that_a_killed_run_made_is_synced_as_well(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "v1" / "dumps").mkdir(parents=True)
    synced: list[int] = []
    fsync = os.fsync
    monkeypatch.setattr(os, "fsync", lambda fd: (synced.append(os.fstat(fd).st_ino), fsync(fd)))
    store = Spool(str(tmp_path))
    assert store.put("v1/dumps/x", b"x", "").result == DONE
    above = {(tmp_path / path).stat().st_ino for path in (".", "v1", "v1/dumps")}
    assert above <= set(synced)
    synced.clear()
    assert store.put("v1/dumps/y", b"y", "").result == DONE
    assert (tmp_path / "v1").stat().st_ino not in synced, "once"


def test_the_bundle_goes_first_and_the_index_last_and_two_requests_suffice(
    archive: Path, tmp_path: Path
) -> None:
    store = Scripted()
    site.run(site.sender(archive, tmp_path / "state", store))
    kinds = [key.split("/")[1] for key in store.keys]
    assert kinds == ["dumps", "index"] * 10
    assert site.all_well(site.wrong(store.objects, site.expected(archive)))


def test_the_first_dump_of_each_signature_goes_first(archive: Path, tmp_path: Path) -> None:
    sender = site.sender(archive, tmp_path / "state", Scripted())
    names = receipts.pending(sender.archive, sender.receipts)
    signature = {
        name: json.loads((archive / name / "summary.json").read_text())["signature"]
        for name in names
    }
    order = ship.ordered(sender, names)
    firsts = list(dict.fromkeys(signature[name] for name in sorted(names)))
    assert [signature[name] for name in order[: len(firsts)]] == firsts
    assert sorted(order) == names
    # What was shipped is known: the rest of its kind is not new.
    site.run(sender._replace(settings=sender.settings))
    known, new = "20200101T000000Z-oops-1", "20200101T000000Z-oops-2"
    for name in (known, new):
        shutil.copytree(archive / names[0], archive / name)
    summary = archive / new / "summary.json"
    summary.write_text(summary.read_text().replace(signature[names[0]], "2:0123456789abcdef"))
    assert ship.ordered(sender, [known, new]) == [new, known]
    assert signature[names[0]] in receipts.signatures(sender.receipts)


def test_to_ship_one_dump_each_receipt_is_read_once(
    archive: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sender = site.sender(archive, tmp_path / "state", Scripted())
    site.run(sender)
    new, shipped = "20200101T000000Z-oops-1", sorted(path.name for path in archive.glob("2*"))
    shutil.copytree(archive / shipped[0], archive / new)
    opened: Counter[str] = Counter()
    really = os.open

    def counted(path: str, flags: int, mode: int = 0o777, *, dir_fd: int | None = None) -> int:
        if dir_fd == sender.receipts and not flags & os.O_WRONLY:
            opened[str(path)] += 1
        return really(path, flags, mode, dir_fd=dir_fd)

    monkeypatch.setattr(os, "open", counted)
    assert [result.dump for result in site.run(sender)] == [new]
    monkeypatch.undo()
    assert {opened[name] for name in shipped} == {1}


def test_a_run_is_bounded_in_bytes_and_the_next_one_goes_on(archive: Path, tmp_path: Path) -> None:
    store = Scripted()
    sender = site.sender(archive, tmp_path / "state", store, size=30_000)
    counts = []
    while results := site.run(sender):
        counts.append(sum(result.result == "shipped" for result in results))
        assert ship.status(results) == (3 if counts[-1] < len(results) else 0)
    assert sum(counts) == 10
    assert all(count <= 3 for count in counts)


def test_a_run_is_bounded_in_time(archive: Path, tmp_path: Path) -> None:
    now = [0.0]

    class Slow(Scripted):
        def put(self, key: str, data: bytes, kind: str) -> Answer:
            now[0] += 100
            return super().put(key, data, kind)

    sender = site.sender(archive, tmp_path / "state", Slow(), Clock(lambda: now[0]), run=500)
    results = site.run(sender)
    assert sum(result.result == "shipped" for result in results) == 3
    assert ship.status(results) == 3


def test_waits_are_random_and_below_a_bound_that_doubles() -> None:
    assert [bound(tries) for tries in (1, 2, 3, 4)] == [FIRST_BOUND * n for n in (1, 2, 4, 8)]
    assert bound(100) == LAST_BOUND


def test_the_first_run_of_a_boot_waits_once(archive: Path, tmp_path: Path) -> None:
    slept: list[float] = []
    clock = Clock(lambda: 0.0, slept.append, lambda: 0.0)
    sender = site.sender(archive, tmp_path / "state", Scripted([BUSY] * 1000), clock, window=900)
    for _ in range(2):
        site.run(sender)
    first = [seconds for seconds in slept if seconds]
    assert len(first) == 1
    assert 0 < first[0] < 900
    other = sender._replace(identity=sender.identity._replace(boot="another boot"))
    site.run(other)
    assert len([seconds for seconds in slept if seconds]) == 2


# Seconds from the last record that was shipped to each one that joins afterwards.
@pytest.mark.parametrize("seconds", [(60,), (0,), (60, 120), (60, 60, 120)])
def test_a_dump_that_grows_is_shipped_again_and_names_what_it_was(
    seconds: tuple[int, ...], tmp_path: Path
) -> None:
    archive = site.archived(tmp_path)
    store = Scripted()
    sender = site.sender(archive, tmp_path / "state", store)
    site.run(sender)
    before = next(
        json.loads(data)
        for key, data in store.objects.items()
        if "20260602T021501Z" in key and "index" in key
    )
    dump = archive / before["dump"]
    sums = layout.parse_sums((dump / layout.SUMS).read_bytes())
    assert sums is not None
    descriptor = os.open(dump, os.O_RDONLY)
    facts = list(layout.read_facts(descriptor).values())
    os.close(descriptor)
    last = max(fact.saved for fact in facts)
    for number, later in enumerate(seconds):
        name, data = f"console-ramoops-{number}", b"more %d" % number
        (dump / "raw" / name).write_bytes(data)
        sums[name] = hashlib.sha256(data).hexdigest()
        facts.append(layout.Fact(name, sums[name], len(data), 0, last + later, "boot"))
    (dump / layout.FACTS).write_bytes(layout.facts_text(facts))
    (dump / layout.SUMS).write_bytes(layout.sums_text(sums))
    (result,) = site.run(sender)
    assert result.result == "shipped"
    after = json.loads(store.objects[store.keys[-1]])
    assert after["replaces"] == before["id"] != after["id"]
    assert (after["dump"], after["machine"]) == (before["dump"], before["machine"])
    assert after["bundle"]["key"] != before["bundle"]["key"]


def test_a_dump_that_is_being_changed_waits_for_the_next_run(archive: Path, tmp_path: Path) -> None:
    name = min(path.name for path in archive.glob("2*"))
    (archive / name / "raw" / "dmesg-erst-99").write_bytes(b"joining")
    sender = site.sender(archive, tmp_path / "state", Scripted())
    results = {result.dump: result for result in site.run(sender)}
    assert results[name].result == "remains"
    assert sum(result.result == "shipped" for result in results.values()) == 9


DAMAGE: dict[str, Callable[[Path], object]] = {
    "damaged": lambda dump: next(dump.glob("raw/*")).write_bytes(b"other"),
    "missing": lambda dump: next(dump.glob("raw/*")).unlink(),
    "SHA256SUMS": lambda dump: (dump / "SHA256SUMS").write_bytes(b"what"),
    "file": lambda dump: (dump / "dmesg.txt").unlink() or (dump / "dmesg.txt").mkdir(),
    "MiB": lambda dump: os.truncate(dump / "dmesg.txt", 65 << 20),
}


@pytest.mark.parametrize("words", DAMAGE)
def test_what_cannot_be_shipped_is_said_and_holds_up_nobody(
    words: str, archive: Path, tmp_path: Path
) -> None:
    name = min(path.name for path in archive.glob("2*"))
    DAMAGE[words](archive / name)
    results = {r.dump: r for r in site.run(site.sender(archive, tmp_path / "s", Scripted()))}
    assert results[name].result == "failed"
    assert words in results[name].why
    assert sum(result.result == "shipped" for result in results.values()) == 9


def test_strangers_in_the_archive_are_passed_over(archive: Path, tmp_path: Path) -> None:
    (archive / "lost+found").mkdir()
    (archive / "notes.txt").write_text("x")
    (archive / "a b").mkdir()
    (archive / "a b" / "SHA256SUMS").write_text("")
    dumps = sorted(path.name for path in archive.glob("2*"))
    shutil.copytree(archive / dumps[0], archive / "see-bug-7")
    (archive / f"{dumps[0]}-9").symlink_to(archive / dumps[0])
    results = site.run(site.sender(archive, tmp_path / "state", Scripted()))
    assert sorted(result.dump for result in results) == dumps
    assert ship.status(results) == 0


def test_without_a_summary_a_dump_is_shipped_all_the_same(archive: Path, tmp_path: Path) -> None:
    for path in archive.glob("*/summary.json"):
        path.unlink()
    store = Scripted()
    results = site.run(site.sender(archive, tmp_path / "state", store))
    assert {result.result for result in results} == {"shipped"}
    assert all("_none_none_none_" in key for key in store.keys if key.endswith(".json"))


def test_machine_and_host_can_be_given_or_left_out(archive: Path, tmp_path: Path) -> None:
    store = Scripted()
    site.run(site.sender(archive, tmp_path / "a", store, machine="rack-1", host="db"))
    # <dump>_<host>_<label>_<kernel>_<machine>_<id16>
    named = re.compile(r"/[^/_]+_db_.+_rack-1_[0-9a-f]{16}\.json")
    assert all("/rack-1/" in key or named.search(key) for key in store.keys)
    store = Scripted()
    site.run(site.sender(archive, tmp_path / "b", store, machine=NOBODY, host=NOBODY))
    unnamed = re.compile(r"/[^/_]+_none_.+_none_[0-9a-f]{16}\.json")
    assert all("/none/" in key or unnamed.search(key) for key in store.keys)
    lines = [json.loads(data) for key, data in store.objects.items() if key.endswith(".json")]
    assert {(line["machine"], line["host"]) for line in lines} == {(None, None)}


def full(*_: object) -> None:
    """A disk without room."""
    raise OSError(errno.ENOSPC, "No space left on device")


def test_a_receipt_that_cannot_be_written_loses_nothing(
    archive: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = Scripted()
    sender = site.sender(archive, tmp_path / "state", store)
    with monkeypatch.context() as patch:
        patch.setattr(receipts.Receipt, "write", full)
        results = site.run(sender)
    assert ship.status(results) == 2
    assert "No space left" in results[0].why
    assert len(store.keys) == 2, "nothing more is sent while no receipt can be written"
    assert ship.status(site.run(sender)) == 0
    assert site.all_well(site.wrong(store.objects, site.expected(archive)))


def test_a_note_is_of_one_key_and_no_index_entry_goes_without_its_bundle(
    archive: Path, tmp_path: Path
) -> None:
    """Interrupted between both objects; then the machine is given another name."""
    for path in archive.glob("2*/summary.json"):
        path.unlink()  # nothing else in a bundle names the machine
    store = Scripted([Answer(DONE), *[BUSY] * TRIES] * 9)
    site.run(site.sender(archive, tmp_path / "state", store, machine="one"))
    store.answers = []
    other = site.sender(archive, tmp_path / "state", store, machine="other")
    assert ship.status(site.run(other)) == 0
    lines = [json.loads(data) for key, data in store.objects.items() if key.endswith(".json")]
    assert len(lines) == 10
    assert all(line["bundle"]["key"] in store.objects for line in lines)


STRANGERS: dict[str, Callable[[Path, Path], object]] = {
    "a FIFO": lambda note, _: os.mkfifo(note),
    "a link": lambda note, other: note.symlink_to(other),
    "a file's second name": lambda note, other: note.hardlink_to(other),
    "an older note": lambda note, _: note.write_text("of what the dump was before it grew\n" * 99),
}


@pytest.mark.parametrize("stranger", STRANGERS)
def test_nothing_is_written_into_what_is_in_the_place_of_a_note(
    stranger: str, archive: Path, tmp_path: Path
) -> None:
    sender = site.sender(archive, tmp_path / "state", Scripted())
    folder = tmp_path / "state" / receipts.folder_of("s3://test")
    other = tmp_path / "other"
    other.write_text("of somebody\n" * 99)
    first = min(path.name for path in archive.glob("2*"))
    STRANGERS[stranger](folder / f".pstorefs-new-{first}", other)
    found: list[ship.Result] = []
    thread = threading.Thread(target=lambda: found.extend(site.run(sender)), daemon=True)
    thread.start()
    thread.join(60)
    assert (len(found), ship.status(found)) == (10, 0)
    assert other.read_text() == "of somebody\n" * 99
    assert not list(folder.glob(".pstorefs-new-*"))
    assert site.run(sender) == []


@pytest.mark.skipif(os.geteuid() != 0, reason="needs two users")
def test_a_note_that_another_user_has_left_is_replaced(tmp_path: Path) -> None:
    """Root ships by hand, and is killed; then the dump grows, and the service ships."""
    (tmp_path / ".pstorefs-new-dump").write_text("of root")
    tmp_path.chmod(0o777)
    folder = os.open(tmp_path, os.O_RDONLY)
    os.seteuid(NOBODY_ID)
    try:
        receipts.Receipt(folder, "dump", {"id": "1"}, b"sums").write()
    finally:
        os.seteuid(0)
        os.close(folder)
    assert (tmp_path / "dump").read_bytes() == b'{"id": "1"}\nsums'


def test_where_no_receipt_can_be_written_only_what_was_sent_is_called_shipped(
    archive: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(receipts.Receipt, "write", full)
    store = Scripted()
    first, *others = site.run(site.sender(archive, tmp_path / "state", store))
    assert "shipped, but its receipt" in first.why
    assert {one.why for one in others} == {first.why.removeprefix("shipped, but ")}
    assert {(one.result, one.id, one.size) for one in others} == {(ship.FAILED, "", 0)}
    assert len(store.keys) == 2


def test_a_wait_that_cannot_be_noted_keeps_no_dump_from_being_sent(
    archive: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(receipts, "_replace", full)
    sender = site.sender(archive, tmp_path / "state", Scripted(), window=9)
    assert ship.status(site.run(sender)) == 0


def test_a_dump_that_takes_too_much_memory_is_in_no_other_dumps_way(
    archive: Path, tmp_path: Path
) -> None:
    first = min(path.name for path in archive.glob("2*"))

    def prepare(sender: ship.Sender, saved: dumps.Saved) -> Parcel:
        if saved.name == first:
            raise MemoryError
        return prepared(sender, saved)

    sender = site.sender(archive, tmp_path / "state", Scripted())._replace(prepare=prepare)
    results = site.run(sender)
    assert {one.dump: "memory" in one.why for one in results if one.why} == {first: True}
    assert (len(results), ship.status(results)) == (10, 2)


def test_receipts_of_dumps_that_are_gone_are_forgotten(archive: Path, tmp_path: Path) -> None:
    sender = site.sender(archive, tmp_path / "state", Scripted())
    site.run(sender)
    names = sorted(path.name for path in archive.glob("2*"))
    receipts.forget(sender.receipts, set(names[1:]))
    left = sorted(name for name in os.listdir(sender.receipts) if name[0] != ".")
    assert left == names[1:]


def test_a_stranger_among_the_receipts_stops_nothing(archive: Path, tmp_path: Path) -> None:
    sender = site.sender(archive, tmp_path / "state", Scripted())
    os.mkdir("lost+found", dir_fd=sender.receipts)
    receipts.forget(sender.receipts, set())
    assert ship.status(site.run(sender)) == 0


def test_receipts_stay_while_nobody_can_note_that_they_go(
    archive: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sender = site.sender(archive, tmp_path / "state", Scripted())
    site.run(sender)
    before = receipts.shipped(sender.receipts)
    with monkeypatch.context() as patch:
        patch.setattr(receipts, "_replace", full)
        receipts.forget(sender.receipts, set())
    assert receipts.shipped(sender.receipts) == before
    receipts.forget(sender.receipts, set())
    assert receipts.shipped(sender.receipts) == before
    assert not receipts.signatures(sender.receipts)


# file://


@pytest.fixture
def spool(tmp_path: Path) -> Path:
    (tmp_path / "spool").mkdir()
    return tmp_path / "spool"


def test_a_spool_holds_whole_files_and_nothing_else(
    archive: Path, spool: Path, tmp_path: Path
) -> None:
    sender = site.sender(archive, tmp_path / "state", Spool(str(spool)))
    assert ship.status(site.run(sender)) == 0
    assert site.all_well(site.wrong(site.contents(spool), site.expected(archive)))
    assert {path.name for path in spool.iterdir()} == {"v1"}


def test_a_spool_is_never_overwritten_and_no_link_is_followed(spool: Path, tmp_path: Path) -> None:
    store = Spool(str(spool))
    assert store.put("v1/a/b", b"one", "").result == DONE
    assert store.put("v1/a/b", b"two", "").result == EXISTS
    assert (spool / "v1/a/b").read_bytes() == b"one"
    (spool / "v1/link").symlink_to(tmp_path)
    outcome = store.put("v1/link/evil", b"x", "")
    assert outcome.result == REFUSED
    assert not (tmp_path / "evil").exists()


def test_a_spool_that_is_not_there_is_not_made(tmp_path: Path) -> None:
    outcome = Spool(str(tmp_path / "unmounted")).put("v1/a", b"x", "")
    assert (outcome.result, outcome.store_wide) == (REFUSED, True)
    assert not (tmp_path / "unmounted").exists()


def test_a_file_system_without_links_will_do(spool: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(os, "link", refuse)
    store = Spool(str(spool))
    assert store.put("v1/a", b"one", "").result == DONE
    assert store.put("v1/a", b"two", "").result == EXISTS
    assert site.contents(spool) == {"v1/a": b"one"}


# The command


def shipped(
    spool: Path, archive: Path, state: Path, *more: str
) -> subprocess.CompletedProcess[str]:
    options = f"archive={archive},state={state}"
    return subprocess.run(
        [sys.executable, "-m", "pstorefs", "--ship", f"file://{spool}", "-o", options, *more],
        capture_output=True, text=True, check=False, cwd=ROOT, timeout=60,
    )  # fmt: skip


def test_the_command_ships_once_and_is_silent_then(
    archive: Path, spool: Path, tmp_path: Path
) -> None:
    first = shipped(spool, archive, tmp_path / "state", "--now")
    assert (first.returncode, first.stderr) == (0, "")
    assert "10 of 10 dumps shipped" in first.stdout
    again = shipped(spool, archive, tmp_path / "state")
    assert (again.returncode, again.stdout, again.stderr) == (0, "", "")
    assert site.all_well(site.wrong(site.contents(spool), site.expected(archive)))


class Terminal(io.StringIO):
    """One terminal for both streams; gone: each write fails."""

    gone = False

    def isatty(self) -> bool:
        return True

    def write(self, text: str) -> int:
        if self.gone:
            raise OSError(errno.EIO, "Input/output error")
        return super().write(text)


def test_on_a_terminal_each_line_is_a_line_and_progress_is_below(
    archive: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    terminal = Terminal()
    monkeypatch.setattr(ship_progress, "_PROGRESS_SECONDS", -1)
    for stream in ("stdout", "stderr"):
        monkeypatch.setattr(sys, stream, terminal)
    store = Scripted([TOO_LONG])
    sender = site.sender(archive, tmp_path / "state", store)
    shown = ship_progress.ShipProgress(sender.settings)
    results = site.run(sender._replace(told=shown.tell, progress=shown.progress))
    assert {one.result for one in results} == {ship.FAILED, ship.SHIPPED}
    # What is seen of a line is what is behind its last erasure.
    seen = [line.rpartition("\x1b[K")[2] for line in terminal.getvalue().split("\n")[:-1]]
    assert [line.split(":")[0] for line in seen[1:-1]] == [one.dump for one in results[1:]]
    assert seen[0].startswith(f"pstorefs: {results[0].dump}: failed")
    assert seen[-1] == "pstorefs: 10 of 10 dumps"
    terminal.gone = True
    shown.progress(1, 2)


def test_an_archive_that_is_not_there_has_nothing_to_ship(spool: Path, tmp_path: Path) -> None:
    done = shipped(spool, tmp_path / "none", tmp_path / "state")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert not (tmp_path / "state").exists()


def test_a_second_run_at_the_same_time_leaves_it_to_the_first(
    archive: Path, spool: Path, tmp_path: Path
) -> None:
    from contextlib import contextmanager

    (tmp_path / "state").mkdir()
    with contextmanager(receipts.lock)(str(tmp_path / "state")) as mine:
        assert mine
        done = shipped(spool, archive, tmp_path / "state", "--now")
    assert done.returncode == 3
    assert "another pstorefs --ship is at work" in done.stderr


def test_what_another_run_shipped_meanwhile_is_not_sent_again(
    archive: Path, spool: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Two runs list the dumps; the one that gets the lock last finds all of them shipped."""
    settings = Ship()
    words = {"url": f"file://{spool}", "archive": str(archive), "state": str(tmp_path / "state")}
    for name, value in {**words, "window": "0"}.items():
        apply(settings, name, value)
    listed = pending(settings, settings.state)
    assert command._ship(settings, listed) == 0
    assert "10 of 10 dumps shipped" in capsys.readouterr().out
    assert command._ship(settings, listed) == 0
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize("check", [[], ["--check"]])
def test_who_interrupts_a_run_does_not_wait_for_the_store(
    archive: Path, tmp_path: Path, check: list[str]
) -> None:
    """In obstore Python sees no ^C before it has an answer."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        options = f"endpoint=http://127.0.0.1:{silent.getsockname()[1]}"
        program = begun("s3://crash/x", archive, tmp_path / "state", options, *check)
        asked, _ = silent.accept()
        with asked:
            asked.recv(1)
            program.send_signal(signal.SIGINT)
            assert (program.wait(20), program.communicate()) == (-signal.SIGINT, ("", ""))


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
def test_a_signal_leaves_no_half_file_in_a_directory(
    archive: Path, spool: Path, tmp_path: Path, number: signal.Signals
) -> None:
    """The directory may be that of all machines, and this one may never come again."""
    # Each sync takes so long that the signal comes in the middle of one.
    slow = ["strace", "-f", "-qq", "-etrace=fsync", "-einject=fsync:delay_enter=300000",
            f"-o{tmp_path / 'trace'}"]  # fmt: skip
    program = begun(f"file://{spool}", archive, tmp_path / "state", before=slow)
    end = time.monotonic() + 60
    while not any(each.name.startswith(".") for each in spool.iterdir()):
        assert time.monotonic() < end
        time.sleep(0.005)
    (shipping,) = children(program.pid)
    os.kill(shipping, number)
    wanted = 130 if number == signal.SIGINT else -number
    assert (program.wait(60), program.communicate()) == (wanted, ("", ""))
    assert [each.name for each in spool.iterdir() if each.name.startswith(".")] == []
    assert shipped(spool, archive, tmp_path / "state", "--now").returncode == 0


def begun(
    url: str, archive: Path, state: Path, options: str = "", *words: str, before: Iterable[str] = ()
) -> subprocess.Popen[str]:
    more = f",{options}" if options else ""
    return subprocess.Popen(
        # Whoever runs tests in the background has ^C ignored.
        ["env", "--default-signal=INT,HUP,TERM", *before, sys.executable, "-m", "pstorefs",
         "--ship", url, "--now", *words, "-o", f"archive={archive},state={state}{more}"],
        cwd=ROOT, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        env=os.environ | {"AWS_ACCESS_KEY_ID": "k", "AWS_SECRET_ACCESS_KEY": "s"},
    )  # fmt: skip


def test_a_store_that_is_away_is_told_of_once_and_not_of_each_dump(
    archive: Path, tmp_path: Path
) -> None:
    done = shipped(tmp_path / "unmounted", archive, tmp_path / "state", "--now")
    assert done.returncode == 2
    why = (
        f"failed: {tmp_path}/unmounted: No such file or directory: make it, or mount what it is on"
    )
    first, more = done.stderr.splitlines()
    assert first.endswith(f"-1: {why}")
    assert more == f"pstorefs: 9 more: {why}"


@pytest.mark.parametrize("what", ["state", "url"])
@pytest.mark.parametrize("where", ["", "/below", "/../{}/x"])
def test_neither_receipts_nor_a_spool_may_be_in_the_archive(
    what: str, where: str, archive: Path, spool: Path, tmp_path: Path
) -> None:
    """Its lock would be held for as long as the network takes."""
    inside = Path(f"{archive}{where.format(archive.name)}")
    before = sorted(os.listdir(archive))
    places = (spool, archive, inside) if what == "state" else (inside, archive, tmp_path / "state")
    done = shipped(*places, "--now")
    assert done.returncode == 1
    assert f"option {what}: {inside} is in the archive" in done.stderr
    assert sorted(os.listdir(archive)) == before


def test_check_says_whether_the_store_overwrites(spool: Path, tmp_path: Path) -> None:
    for _ in range(2):
        done = shipped(spool, tmp_path / "archive", tmp_path / "state", "--check")
        assert (done.returncode, done.stderr) == (0, "")
        assert "are not overwritten" in done.stdout
        # What has nothing to ship says nothing: so whoever sets it up is told here.
        assert f"warning: {tmp_path}/archive does not exist" in done.stdout
    (tmp_path / "archive").mkdir()
    done = shipped(spool, tmp_path / "archive", tmp_path / "state", "--check")
    assert "warning" not in done.stdout
    done = shipped(tmp_path / "none", tmp_path / "archive", tmp_path / "state", "--check")
    assert done.returncode == 2


def test_nothing_of_a_file_stays_in_a_spool_that_is_full(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write, written = os.write, []

    def until_full(descriptor: int, data: memoryview) -> int:
        if written:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        written.append(descriptor)
        return write(descriptor, data[:5])

    monkeypatch.setattr(os, "write", until_full)
    outcome = Spool(str(tmp_path)).put("v1/dumps/x", b"0123456789", "")
    assert (outcome.result, outcome.store_wide) == (RETRY, True)
    monkeypatch.undo()
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]
    assert Spool(str(tmp_path)).put("v1/dumps/x", b"0123456789", "").result == DONE


def test_what_is_in_the_place_of_a_receipt_is_in_no_other_dumps_way(
    archive: Path, tmp_path: Path
) -> None:
    spool, state = tmp_path / "spool", tmp_path / "state"
    spool.mkdir()
    first = min(path.name for path in archive.glob("2*"))
    folder = state / receipts.folder_of(f"file://{spool}")
    (folder / first / "of somebody").mkdir(parents=True)
    done = shipped(spool, archive, state, "--now")
    assert done.returncode == 2
    assert f"{first}: failed: shipped, but its receipt cannot be written" in done.stderr
    assert "remove the file or directory with its name there" in done.stderr
    assert len([path for path in folder.iterdir() if path.is_file() and path.name[0] == "2"]) == 9
    assert len(list(spool.glob("v1/index/*/*.json"))) == 10
    (folder / first / "of somebody").rmdir()
    (folder / first).rmdir()
    assert shipped(spool, archive, state, "--now").returncode == 0


def test_without_obstore_it_says_how_to_get_it(
    archive: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setitem(sys.modules, "obstore", None)
    options = f"archive={archive},state={tmp_path / 'state'}"
    assert command.main(["--ship", "s3://bucket", "--now", "-o", options]) == 2
    said = capsys.readouterr().err
    assert "contrib/setup --fleet" in said
    assert "file:///DIRECTORY" in said


def test_a_machine_without_an_id_is_to_be_given_a_name(tmp_path: Path) -> None:
    from pstorefs.fleet.machine import identify
    from pstorefs.fleet.store import StoreError
    from pstorefs.system.machine import Machine

    with pytest.raises(StoreError, match="machine=NAME"):
        identify(Ship(), Machine(str(tmp_path)))
    settings = Ship()
    settings.machine = "rack-1"
    assert identify(settings, Machine(str(tmp_path))).machine == "rack-1"


# keep=


def kept(archive: Path, keep: str, tmp_path: Path) -> subprocess.CompletedProcess[str]:
    """An --archive of nothing, with limits on the archive."""
    (tmp_path / "empty").mkdir(exist_ok=True)
    options = f"archive={archive},archive_volatile,keep={keep}"
    return subprocess.run(
        [sys.executable, "-m", "pstorefs", "--archive", "-o", options, str(tmp_path / "empty")],
        capture_output=True, text=True, check=True, cwd=ROOT, timeout=60,
        env={**os.environ, "CONFIGURATION_DIRECTORY": str(tmp_path / "etc")},
    )  # fmt: skip


def test_keep_removes_nothing_that_is_still_to_be_shipped(
    archive: Path, spool: Path, tmp_path: Path
) -> None:
    (tmp_path / "etc").mkdir()
    config = tmp_path / "etc" / "ship.conf"
    config.write_text(f"url=file://{spool}\narchive={archive}\nstate={tmp_path / 'state'}\n")
    before = sorted(os.listdir(archive))
    assert "only after pstorefs --ship has shipped it" in kept(archive, "1", tmp_path).stderr
    assert sorted(os.listdir(archive)) == before
    # A ship.conf that cannot be read is no leave to remove something.
    config.write_text("url=what\n")
    kept(archive, "1", tmp_path)
    assert sorted(os.listdir(archive)) == before
    config.write_text(f"url=file://{spool}\narchive={archive}\nstate={tmp_path / 'state'}\n")
    assert shipped(spool, archive, tmp_path / "state", "--now").returncode == 0
    kept(archive, "1", tmp_path)
    assert len(os.listdir(archive)) < len(before)


@pytest.mark.parametrize("config", ["", "url=file:///x\narchive=/somewhere/else\n"])
def test_keep_is_not_held_up_where_nothing_is_to_be_shipped(
    config: str, archive: Path, tmp_path: Path
) -> None:
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc" / "ship.conf").write_text(config)
    before = len(os.listdir(archive))
    kept(archive, "1", tmp_path)
    assert len(os.listdir(archive)) < before
