"""Calls for many things, several at a time: who asks for what, how far ahead, and what ends it."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

import pytest

from pstorefs.fleet.gather import gather
from pstorefs.fleet.remote import RemoteError

if TYPE_CHECKING:
    from collections.abc import Iterator


def test_all_words_are_answered() -> None:
    assert sorted(gather(lambda word: word * 2, range(100), 4)) == [(n, 2 * n) for n in range(100)]


def test_words_are_asked_for_by_the_caller_and_not_far_ahead() -> None:
    asked: list[int] = []
    threads = set()

    def words() -> Iterator[int]:
        for word in range(30):
            threads.add(threading.current_thread())
            asked.append(word)
            yield word

    answers = gather(lambda word: word, words(), 3)
    for taken in range(1, 31):
        next(answers)
        assert len(asked) <= taken + 6
    assert threads == {threading.current_thread()}


def test_an_error_of_the_store_is_an_answer_and_others_end_it() -> None:
    def call(word: str) -> str:
        if word == "away":
            raise RemoteError(5, "away")
        if word == "wrong":
            raise KeyError(word)
        return word

    found = dict(gather(call, ["well", "away"], 1))
    assert found["well"] == "well"
    assert isinstance(found["away"], RemoteError)
    with pytest.raises(KeyError):
        list(gather(call, ["well", "wrong"], 1))


@pytest.mark.parametrize("how", ["to its end", "abandoned", "its words fail"])
def test_no_thread_is_left(how: str) -> None:
    before = set(threading.enumerate())

    def words() -> Iterator[int]:
        yield from range(10)
        if how == "its words fail":
            raise KeyError

    answers = gather(lambda word: word, words(), 4)
    if how == "abandoned":
        next(answers)
        answers.close()  # type: ignore[attr-defined]
    elif how == "to its end":
        list(answers)
    else:
        with pytest.raises(KeyError):
            list(answers)
    for thread in set(threading.enumerate()) - before:
        thread.join(timeout=60)
        assert not thread.is_alive()


def test_without_a_further_thread_the_caller_does_it(monkeypatch: pytest.MonkeyPatch) -> None:
    def none(_: object) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", none)
    assert list(gather(lambda word: word, [1, 2, 3], 4)) == [(1, 1), (2, 2), (3, 3)]


def test_whoever_breaks_off_has_no_further_call_made() -> None:
    before = set(threading.enumerate())
    called: list[int] = []
    go_on = threading.Event()

    def call(word: int) -> int:
        called.append(word)
        if word:
            go_on.wait(60)
        return word

    answers = gather(call, range(100), 2)
    next(answers)
    while len(called) < 3:
        time.sleep(0.001)
    answers.close()  # type: ignore[attr-defined]
    go_on.set()
    for thread in set(threading.enumerate()) - before:
        thread.join(timeout=60)
    assert called == [0, 1, 2]
