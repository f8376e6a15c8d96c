"""What several tests of single modules need."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager

import hypothesis
import pytest

# No timed tests: a machine that does other things as well is slow, and nothing is wrong.
hypothesis.settings.register_profile("pstorefs", deadline=None)
hypothesis.settings.load_profile("pstorefs")


@pytest.fixture
def without_threads(monkeypatch: pytest.MonkeyPatch) -> AbstractContextManager[None]:
    """Within it no timer starts, as where the limit of processes is reached."""

    def refuse(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    @contextmanager
    def patched() -> Iterator[None]:
        with monkeypatch.context() as patch:
            patch.setattr(threading.Timer, "start", refuse)
            yield

    return patched()
