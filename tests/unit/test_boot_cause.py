"""A panic whose own text lacks the oops that it died of: called after the oops of its boot."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from pstorefs.catalog.catalog import Catalog
from pstorefs.catalog.place import Place
from pstorefs.oops import Facts, caused_by, parse_dump
from pstorefs.record.record import STORE
from pstorefs.report import files
from pstorefs.source.directory import OpenDirectory
from pstorefs.system.machine import Machine
from tests.made import erst_name

TITLE = "BUG: unable to handle kernel NULL pointer dereference in guilty"
OOPS = """\
Oops#1 Part1
<1>[   10.000001] BUG: kernel NULL pointer dereference, address: 0000000000000008
<4>[   10.000002] Oops: 0000 [#1] SMP
<4>[   10.000003] CPU: 1 PID: 42 Comm: cp Not tainted 6.1.5 #7
<4>[   10.000004] RIP: 0010:guilty+0x1/0x2
<4>[   10.000005] Call Trace:
<4>[   10.000006]  outer+0x1/0x2
<4>[   10.000007]  outermost+0x1/0x2
<4>[   10.000008] ---[ end trace 0000000000000000 ]---
"""
MESSAGES = (
    "Fatal exception",
    "Fatal exception in interrupt",
    "Attempted to kill init! exitcode=0x0000000b",
    "Attempted to kill the idle task!",
    "Aiee, killing interrupt handler!",
)


def panic(message: str = "Fatal exception", count: int = 2, seconds: int = 11) -> str:
    return (
        f"Panic#{count} Part1\n<4>[   {seconds}.000001] note: cp[42] exited with irqs disabled\n"
        f"<0>[   {seconds}.000002] Kernel panic - not syncing: {message}\n"
    )


def facts(text: str, reason: str, count: int) -> Facts:
    return parse_dump(text.partition("\n")[2].encode(), reason, count)


OF_OOPS = facts(OOPS, "Oops", 1)


@pytest.mark.parametrize("message", MESSAGES)
def test_panic_is_called_after_the_oops_before_it_and_keeps_its_message(message: str) -> None:
    alone = facts(panic(message), "Panic", 2)
    found = caused_by(alone, OF_OOPS)
    assert (found.title, found.function, found.error_class) == (TITLE, "guilty", "oops")
    assert (found.signature, found.stack) == (OF_OOPS.signature, OF_OOPS.stack)
    assert found.panic == message
    assert (found.span, found.last_time) == (alone.span, alone.last_time)


@pytest.mark.parametrize(
    "text",
    [
        panic("sysrq triggered crash"),
        panic("VFS: Unable to mount root fs on unknown-block(0,0)"),
        panic("Attempted to kill init! exitcode=0x00000100"),  # it left by itself
        panic(seconds=90),  # long after: another oops is the cause
        OOPS.replace("guilty", "its_own").replace("Oops#1", "Panic#2") + panic().split("\n", 1)[1],
    ],
    ids=["sysrq", "no root", "left", "late", "has its own"],
)
def test_panic_that_does_not_speak_of_that_oops_keeps_its_name(text: str) -> None:
    alone = facts(text, "Panic", 2)
    assert caused_by(alone, OF_OOPS) is alone


def test_oops_without_its_beginning_gives_no_name() -> None:
    cut = facts(OOPS.replace("BUG: kernel", "nothing").replace("Oops: 0000 [#1]", ""), "Oops", 1)
    alone = facts(panic(), "Panic", 2)
    assert caused_by(alone, cut) is alone


def composed(store: Path) -> dict[str, dict[str, Any]]:
    """The titles that the mount and the archive give to the dumps of a store, by their reason."""
    opened = OpenDirectory(str(store))
    catalog = Catalog([Place(STORE, opened)])
    compose = files.composer(Machine(), own=False)
    dumps = list(catalog.dumps().values())
    found = {}
    for dump in dumps:
        boot = [one for one in dumps if one.boot and one.boot == dump.boot and one is not dump]
        made = compose(dump, lambda record: catalog.reading(record).text, boot)  # type: ignore[arg-type]
        keys = json.loads(made["summary.json"])
        brief = catalog.brief(dump)
        assert (keys["title"], keys["signature"] or "") == (brief.title, brief.signature)
        found[str(dump.reason)] = keys
    opened.close()
    return found


def store_of(place: Path, *records: tuple[int, str]) -> Path:
    place.mkdir()
    for number, (boot, text) in enumerate(records):
        (place / erst_name(boot, number)).write_text(text)
    return place


def test_mount_and_archive_name_the_panic_after_the_oops_of_its_boot(tmp_path: Path) -> None:
    found = composed(store_of(tmp_path / "store", (1700000000, OOPS), (1700000000, panic())))
    assert found["Panic"]["title"] == found["Oops"]["title"] == TITLE
    assert found["Panic"]["signature"] == found["Oops"]["signature"]
    assert found["Panic"]["panic"] == "Fatal exception"


def test_oops_of_another_boot_or_with_another_dump_between_gives_no_name(tmp_path: Path) -> None:
    other = composed(store_of(tmp_path / "a", (1700000000, OOPS), (1700009000, panic())))
    later = composed(store_of(tmp_path / "b", (1700000000, OOPS), (1700000000, panic(count=3))))
    assert {one["Panic"]["title"] for one in (other, later)} == {"kernel panic: Fatal exception"}


def test_oops_that_others_may_not_read_gives_no_name(tmp_path: Path) -> None:
    store = store_of(tmp_path / "store", (1700000000, OOPS), (1700000000, panic()))
    (store / erst_name(1700000000, 0)).chmod(0o400)
    opened = OpenDirectory(str(store))
    catalog = Catalog([Place(STORE, opened)])
    titles = {str(dump.reason): catalog.brief(dump).title for dump in catalog.dumps().values()}
    assert titles == {"Oops": TITLE, "Panic": "kernel panic: Fatal exception"}
    opened.close()
