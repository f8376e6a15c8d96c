"""-o unclean: a reboot without a shutdown and without a record is an entry of its own, once."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import os
import shutil
import sys
import tarfile
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from pstorefs.cli import ship as command
from pstorefs.cli import unclean
from pstorefs.fleet import keys, reboot, receipts, ship, unpack
from pstorefs.fleet.store import DONE, RETRY, Answer
from pstorefs.system.last_boot import POWER, WATCHDOG, LastBoot
from pstorefs.system.machine import Machine
from pstorefs.system.utc import rfc3339
from tests.archive import strace
from tests.fleet import site
from tests.fleet.test_kill import CALLS
from tests.unit.test_last_reboot import BOOTED, CUT, DIED, DOWN, SILENT, having, said

DAY = "2026-05-28"


class Store:
    """A directory of objects in memory; dies at a step, as SIGKILL would have it."""

    def __init__(self, dies_at: int = 0) -> None:
        self.objects: dict[str, bytes] = {}
        self.step, self.dies_at = 0, dies_at
        self.away = False

    def tick(self) -> None:
        self.step += 1
        if self.step == self.dies_at:
            raise KeyboardInterrupt

    def put(self, key: str, data: bytes, kind: str) -> Answer:
        del kind
        self.tick()
        if self.away:
            return Answer(RETRY, "503", store_wide=True)
        self.objects[key] = data  # it overwrites: the worse kind of store
        self.tick()
        return Answer(DONE)

    def well(self) -> bool:
        return well(self.objects)


def well(objects: Mapping[str, bytes]) -> bool:
    """One bundle, one entry that says what the bundle is."""
    (line,) = (json.loads(data) for key, data in objects.items() if key.startswith(keys.INDEX))
    ((key, bundle),) = ((k, data) for k, data in objects.items() if k.startswith(keys.DUMPS))
    about = {"key": key, "size": len(bundle), "sha256": hashlib.sha256(bundle).hexdigest()}
    return len(objects) == 2 and about.items() <= line["bundle"].items()


@pytest.fixture
def boots(monkeypatch: pytest.MonkeyPatch) -> Callable[[LastBoot], None]:
    """Say how the boot before ended."""

    def say(last: LastBoot) -> None:
        monkeypatch.setattr(unclean, "read_last_boot", lambda _: last)

    return say


def sender_of(tmp_path: Path, store: Store, boot: str = "boot", **options: object) -> ship.Sender:
    (tmp_path / "archive").mkdir(exist_ok=True)
    one = site.sender(tmp_path / "archive", tmp_path / "state", store, unclean=True, **options)
    return one._replace(identity=one.identity._replace(boot=boot))


def run(sender: ship.Sender) -> list[ship.Result]:
    note(sender, pytest.fail)
    return reboot.run(sender)


def note(sender: ship.Sender, say: Callable[[str], None]) -> None:
    class Booted(Machine):
        boot_id = sender.identity.boot  # type: ignore[assignment]

    unclean.note(sender.archive, sender.receipts, Booted(), say)


def crash(tmp_path: Path, name: str, at: float | None, archived: float) -> None:
    """A crash in the archive."""
    site.write_dump(tmp_path / "archive", name, "0" * 31 + "1", 0)
    path = tmp_path / "archive" / name / "summary.json"
    summary = json.loads(path.read_text())
    summary |= {"crash": True, "time": None if at is None else rfc3339(int(at * 1e9))}
    path.write_text(json.dumps(summary))
    os.utime(tmp_path / "archive" / name / "SHA256SUMS", (archived, archived))


CASES: list[tuple[str, LastBoot, str, float | None, float, bool]] = [
    # what, how the boot before ended; a dump, when it crashed, when it was archived; an entry?
    ("cut off", CUT, "", None, 0, True),
    ("cut off by a watchdog", having(CUT, said(WATCHDOG)), "", None, 0, True),
    ("shut down", DOWN, "", None, 0, False),
    ("its crash is archived", CUT, "20260528T202550Z-panic-1", DIED, BOOTED + 60, False),
    ("an old crash is archived", CUT, "20260101T000000Z-panic-1", DIED - 1e6, DIED - 1e6, True),
    ("a crash of the time after is archived", CUT, "20260529T202550Z-oops-1", BOOTED + 9000,
     BOOTED + 9060, True),
    ("a log without a time came since", CUT, "undated-console-1", None, BOOTED + 60, False),
    ("a log without a time is older", CUT, "undated-console-1", None, BOOTED - 60, True),
]  # fmt: skip


@pytest.mark.parametrize("case", CASES, ids=[case[0] for case in CASES])
def test_an_entry_is_shipped_if_no_record_tells_why(
    case: tuple[str, LastBoot, str, float | None, float, bool],
    tmp_path: Path,
    boots: Callable[[LastBoot], None],
) -> None:
    _, last, name, at, archived, wanted = case
    boots(last)
    if name:
        crash(tmp_path, name, at, archived)
    store = Store()
    found = run(sender_of(tmp_path, store))
    assert [result.result for result in found] == [ship.SHIPPED] * wanted
    assert bool(store.objects) == wanted
    assert run(sender_of(tmp_path, Store())) == [], "once a boot"


def test_what_cannot_be_seen_is_said_once_and_not_shipped(
    tmp_path: Path, boots: Callable[[LastBoot], None]
) -> None:
    boots(SILENT)
    words: list[str] = []
    sender = sender_of(tmp_path, Store())
    for _ in range(2):
        note(sender, words.append)
    assert len(words) == 1
    assert "neither wtmp nor the journal" in words[0]
    assert reboot.run(sender) == []


def test_the_entry_says_why_and_its_bundle_has_the_evidence(
    tmp_path: Path, boots: Callable[[LastBoot], None]
) -> None:
    boots(having(CUT, said(POWER, "the CPU: brown-out")))
    store, sender = Store(), sender_of(tmp_path, Store(), host="rack-7")
    run(sender._replace(store=store))
    (index, line), (key, data) = sorted(
        ((key, data) for key, data in store.objects.items()), reverse=True
    )
    row = json.loads(line)
    assert index.startswith(f"{keys.INDEX}/date={DAY}/{keys.REBOOT}")
    assert (row["title"], row["class"], row["crash"]) == (reboot.TITLE, reboot.CLASS, False)
    assert row["reason"] == "power lost or hard reset"
    assert (row["host"], row["signature"], row["time"]) == ("rack-7", None, rfc3339(BOOTED * 10**9))
    parsed = site.parse_index(index)
    assert parsed is not None
    assert parsed[1].bundle_key == key == row["bundle"]["key"]
    files = unpack.unpack(data, parsed[1].dump, parsed[1].id16)
    assert set(files) == {"report.txt", "summary.json"}
    assert b"Last reboot, " in files["report.txt"]
    assert b"the CPU: brown-out" in files["report.txt"]
    said_so = json.loads(files["summary.json"])["reboot_cause"]["evidence"]
    assert "the CPU: brown-out" in [each["says"] for each in said_so]
    with pytest.raises(unpack.UnfitError, match="do not match the id"):
        unpack.unpack(data, parsed[1].dump, "0" * 16)
    with pytest.raises(unpack.UnfitError, match="another dump"):
        unpack.unpack(data, "reboot-00000000", parsed[1].id16)


@pytest.mark.parametrize("step", range(1, 5))
def test_a_kill_at_each_step_leaves_one_entry_of_one_evidence(
    step: int, tmp_path: Path, boots: Callable[[LastBoot], None]
) -> None:
    boots(having(CUT, said(POWER, "a long story")))
    store = Store(step)
    with pytest.raises(KeyboardInterrupt):
        run(sender_of(tmp_path, store))
    boots(CUT)  # the journal has forgotten
    assert [result.result for result in run(sender_of(tmp_path, store))] == [ship.SHIPPED]
    assert store.well()
    assert b"a long story" in _report(store)


def _report(store: Store) -> bytes:
    (data,) = (data for key, data in store.objects.items() if key.startswith(keys.DUMPS))
    tar = tarfile.open(fileobj=io.BytesIO(gzip.decompress(data)))  # noqa: SIM115 (in memory)
    (member,) = (one for one in tar if one.name.endswith("report.txt"))
    file = tar.extractfile(member)
    assert file is not None
    return file.read()


def test_lost_receipts_double_nothing(tmp_path: Path, boots: Callable[[LastBoot], None]) -> None:
    boots(CUT)
    store = Store()
    run(sender_of(tmp_path, store))
    for path in (tmp_path / "state").rglob(".reboot-*"):
        path.unlink()
    assert len(run(sender_of(tmp_path, store))) == 1
    assert store.well()


def test_what_a_boot_could_not_ship_the_next_one_does(
    tmp_path: Path, boots: Callable[[LastBoot], None]
) -> None:
    boots(CUT)
    store = Store()
    store.away = True
    assert ship.status(run(sender_of(tmp_path, store, "first"))) == 3
    store.away = False
    boots(DOWN)
    sender = sender_of(tmp_path, store, "second")
    receipts.forget(sender.receipts, set())
    assert receipts.reboot_due(sender.receipts, "second")
    assert len(run(sender)) == 1
    assert store.well()
    assert not receipts.reboot_due(sender.receipts, "second")
    run(sender_of(tmp_path, store, "third"))
    left = [path.name for path in (tmp_path / "state").rglob(".reboot-*")]
    assert left == [".reboot-third"]


def test_what_is_noted_is_read_with_care(tmp_path: Path) -> None:
    store = Store()
    sender = sender_of(tmp_path, store)
    for number, data in enumerate((b"{", b"[1]", b'{"boot": 1}', b"[" * 100_000)):
        receipts.note_reboot(sender.receipts, f"{number}", data)
    assert reboot.run(sender) == []
    assert receipts.reboots(sender.receipts) == []
    with pytest.raises(ValueError, match="not a boot id"):
        receipts.note_reboot(sender.receipts, "../x", b"")


def test_the_command_ships_it_and_counts_it_nowhere(
    tmp_path: Path, boots: Callable[[LastBoot], None], capfd: pytest.CaptureFixture[str]
) -> None:
    boots(CUT)
    for name in ("archive", "spool"):
        (tmp_path / name).mkdir()
    metrics = tmp_path / "ship.prom"
    options = f"archive={tmp_path}/archive,state={tmp_path}/state,metrics={metrics},machine=m"
    words = ["--ship", f"file://{tmp_path}/spool", "--now", "-o"]
    assert command.main([*words, options]) == 0
    assert site.contents(tmp_path / "spool") == {}, "off unless it is switched on"
    assert command.main([*words, f"{options},unclean=yes"]) == 0
    assert "reboot without a record (power lost or hard reset): shipped" in capfd.readouterr().out
    assert len(site.contents(tmp_path / "spool")) == 2
    lines = metrics.read_text().splitlines()
    assert [line for line in lines if line.startswith("pstorefs_ship_")][:2] == [
        "pstorefs_ship_pending 0", "pstorefs_ship_shipped_total 0",
    ]  # fmt: skip
    assert command.main([*words, f"{options},unclean=yes"]) == 0
    assert capfd.readouterr() == ("", "")


def test_after_a_shutdown_nothing_waits_and_no_store_is_opened(
    tmp_path: Path, boots: Callable[[LastBoot], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    boots(DOWN)
    (tmp_path / "archive").mkdir()
    monkeypatch.setattr(command, "_sender", lambda *_: pytest.fail("nothing is to be shipped"))
    options = f"archive={tmp_path}/archive,state={tmp_path}/state,machine=m,unclean=yes"
    assert command.main(["--ship", f"file://{tmp_path}/spool", "-o", options]) == 0


# The same command, on a machine whose last boot was cut off.
CUT_OFF = """
import sys
from pstorefs.cli import ship, unclean
from pstorefs.system.last_boot import LastBoot
unclean.read_last_boot = lambda _: LastBoot(1.78e9, False, ended=1.78e9 - 60, source="wtmp")
sys.exit(ship.main(sys.argv[1:]))
"""


def killed_at(base: Path, point: strace.Point | None) -> list[strace.Point]:
    """A run killed at a call, and what must hold then; without a call: all calls of a run."""
    for name in ("archive", "spool"):
        (base / name).mkdir(parents=True)
    options = f"archive={base}/archive,state={base}/state,machine=m,unclean=yes"
    words = ["--ship", f"file://{base}/spool", "--now", "-o", options]
    command = [sys.executable, "-c", CUT_OFF, *words]
    if point is None:
        return strace.points_of(command, base / "trace", CALLS)
    where = f"killed at {point} {point.arguments}"
    assert strace.killed(strace.inject_into(command, point, "signal=SIGKILL")), where
    again = strace.run(command)
    assert (again.returncode, again.stderr) == (0, ""), where
    objects = {k: data for k, data in site.contents(base / "spool").items() if k[:3] == "v1/"}
    assert well(objects), where
    assert strace.run(command).stdout == "", f"{where}: and then there is nothing left to do"
    shutil.rmtree(base)
    return []


def test_a_kill_at_some_calls_leaves_one_entry(tmp_path: Path) -> None:
    found = killed_at(tmp_path / "scene", None)
    for point in found[2 :: max(1, len(found) // 3)]:
        killed_at(tmp_path / "killed", point)


@pytest.mark.slow
def test_a_kill_at_every_call_leaves_one_entry(tmp_path: Path) -> None:
    for point in killed_at(tmp_path / "scene", None):
        killed_at(tmp_path / "killed", point)
