"""The short way past trio's scheduler is taken only where pyfuse3 is one that was looked at."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import trio

from pstorefs.mount import fastpath


def pyfuse3_of(version: str, runner: object = trio) -> SimpleNamespace:
    return SimpleNamespace(__version__=version, trio=runner)


@pytest.mark.parametrize("version", ["3.2.1", "3.3.0", "3.4.2", "3.5.0"])
def test_a_known_pyfuse3_gets_the_short_way(version: str, monkeypatch: pytest.MonkeyPatch) -> None:
    known = pyfuse3_of(version)
    monkeypatch.setattr(fastpath, "pyfuse3", known)
    assert fastpath.shorten()
    assert known.trio.Lock is not trio.Lock
    assert known.trio.open_nursery is trio.open_nursery
    assert known.trio.lowlevel.current_task is trio.lowlevel.current_task


@pytest.mark.parametrize(
    "unknown",
    [
        pyfuse3_of("3.6.0"),
        pyfuse3_of("4.0"),
        pyfuse3_of(""),
        pyfuse3_of("3.5.0", runner="asyncio"),
        SimpleNamespace(),
    ],
    ids=["newer", "next", "nameless", "other loop", "changed inside"],
)
def test_any_other_goes_trios_way(
    unknown: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = getattr(unknown, "trio", None)
    monkeypatch.setattr(fastpath, "pyfuse3", unknown)
    assert not fastpath.shorten()
    assert getattr(unknown, "trio", None) is before
