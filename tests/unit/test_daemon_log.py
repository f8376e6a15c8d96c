"""What pyfuse3 says in the log: that an answer came too late is nobody's concern."""

from __future__ import annotations

import errno
import logging
import os

import pytest

from pstorefs.mount.logs import is_news

FAILED = "fuse_release(): fuse_reply_* failed with %s"


@pytest.mark.parametrize(
    ("words", "number", "said"),
    [
        (FAILED, errno.ENOENT, False),
        (FAILED, errno.EINVAL, True),
        (FAILED, errno.ENODEV, True),
        ("the handler raised %s", errno.ENOENT, True),
    ],
)
def test_an_answer_that_finds_its_request_gone_is_no_news(
    words: str, number: int, said: bool
) -> None:
    record = logging.makeLogRecord({"msg": words, "args": (os.strerror(number),)})
    assert is_news(record) is said
