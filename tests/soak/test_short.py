"""The soak itself for less than a minute, and that it would see what must not be."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.soak.ledger import Ledger, Version
from tests.soak.quiet import History
from tests.soak.readers import wrong
from tests.soak.supply import Content
from tests.soak.trend import growth

_OLD = Content("dmesg-erst-7.enc.z", "dmesg-erst-7", b"stored 1", b"text of the first\n")
_NEW = Content("dmesg-erst-7.enc.z", "dmesg-erst-7", b"stored 2", b"text of the second\n")


@pytest.mark.timeout(600)
def test_half_a_minute_of_everything() -> None:
    command = [sys.executable, "-m", "tests.soak", "--seconds", "30", "--seed", "1"]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout[-4000:] + result.stderr
    assert not result.stderr
    for must in ("records put in", "ended by", "client killed", "daemon stopped", "clock"):
        assert must in result.stdout, result.stdout


def test_a_line_through_the_points_tells_growth_from_noise() -> None:
    times = [float(20 * n) for n in range(12)]
    assert growth(times, [100, *(50 + 3 * (n % 2) for n in range(11))]) < 5
    assert growth(times, [100 + 10 * n for n in range(12)]) == pytest.approx(80)
    history = History()
    for when in times:
        found = {"rss": 30_000 + 100 * int(when), "fds": 12}
        history.add(when, found)
    assert [words.split()[0] for words in history.grown()] == ["rss"]


def _put(ledger: Ledger, content: Content, source: Path) -> Version:
    version = ledger.open(content, content.name)
    (source / content.name).write_bytes(content.stored)
    version.settled, version.required = time.monotonic(), True
    return version


def test_a_record_that_is_nowhere_is_lost_unless_it_was_given_up(tmp_path: Path) -> None:
    source, archive = tmp_path / "source", tmp_path / "archive"
    source.mkdir()
    raw = archive / "some-dump" / "raw"
    raw.mkdir(parents=True)
    ledger = Ledger()
    version = _put(ledger, _OLD, source)
    assert not ledger.lost(source, archive)
    (source / _OLD.name).write_bytes(_OLD.stored[:-1])
    assert ledger.lost(source, archive) == [_OLD.name]
    (raw / _OLD.name).write_bytes(_OLD.stored)
    assert not ledger.lost(source, archive)
    (raw / _OLD.name).rename(raw / "dmesg-erst-8.enc.z")
    assert ledger.lost(source, archive) == [_OLD.name]
    ledger.release([version])
    assert not ledger.lost(source, archive)


def test_only_what_stood_there_meanwhile_may_be_read(tmp_path: Path) -> None:
    ledger = Ledger()
    before = time.monotonic()
    old = _put(ledger, _OLD, tmp_path)
    new = _put(ledger, _NEW, tmp_path)
    old.dead = time.monotonic()
    after = time.monotonic()
    assert ledger.between("dmesg-erst-7", before, after) == [old, new]
    assert ledger.between("dmesg-erst-7", after, after) == [new]
    assert wrong(_OLD.text, [new], [old, new]).startswith("stale")
    assert wrong(_NEW.text[:-1], [new], [old, new]).startswith("cut")
    assert wrong(b"something else", [new], [old, new]).startswith("wrong")
