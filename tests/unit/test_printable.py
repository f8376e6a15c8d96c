"""What comes from outside is made fit for a line."""

import io
import logging
from pathlib import Path

import pytest

from pstorefs.system import mountinfo
from pstorefs.system.printable import clean_log_record, counted, printable, printable_lines, whole


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("dmesg-erst-1 (Gerät №1)", "dmesg-erst-1 (Gerät №1)"),
        ("a\nb\tc\r", "a\ufffdb\ufffdc\ufffd"),
        ("\x1b[2J\x7f\x9b", "\ufffd[2J\ufffd\ufffd"),
        ("\u202e\u2066\u2028\u200f\ufeff", "\ufffd" * 5),
        ("\udcff\ue000\u0378", "\ufffd" * 3),
        ("no\u00a0break", "no\ufffdbreak"),
    ],
)
def test_one_line_of_printable_characters_is_left(text: str, shown: str) -> None:
    assert printable(text) == shown
    assert printable_lines(f"{text}\nnext".replace("a\nb", "ab")).endswith("\nnext")


@pytest.mark.parametrize(
    ("number", "words", "said"),
    [
        (1, ("record",), "1 record"),
        (0, ("record",), "0 records"),
        (2, ("crash", "crashes"), "2 crashes"),
        (1, ("entry", "entries"), "1 entry"),
    ],
)
def test_a_noun_agrees_with_its_number(number: int, words: tuple[str, ...], said: str) -> None:
    assert counted(number, *words) == said


def test_a_name_for_json_is_utf_8_and_else_itself() -> None:
    assert whole("a\udcffb\n\u202e") == "a\ufffdb\n\u202e"


def test_no_log_line_and_no_traceback_passes_controls_on() -> None:
    log, out = logging.getLogger("pstorefs-test"), io.StringIO()
    log.propagate = False
    log.addHandler(logging.StreamHandler(out))
    log.addFilter(clean_log_record)
    log.warning("%s: more than %d records", "/x\nforged: line\x1b", 3)
    try:
        raise ValueError("\x1b]0;owned\x07\u202e")
    except ValueError:
        log.exception("%s failed", "open\r")
    first, *others = out.getvalue().splitlines()
    assert first == "/x\ufffdforged: line\ufffd: more than 3 records"
    assert others[0] == "open\ufffd failed"
    assert others[1] == "Traceback (most recent call last):"
    assert others[-1] == "ValueError: \ufffd]0;owned\ufffd\ufffd"


def test_a_mount_point_cannot_forge_a_line_of_the_mount_table(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    point = "/mnt/x\r99 1 9:9 / /forged rw - pstore pstore rw\r"
    table = tmp_path / "mountinfo"
    line = f"40 1 0:40 / {point.replace(' ', chr(92) + '040')} rw,relatime - fuse x rw\n"
    table.write_bytes(line.encode())
    monkeypatch.setattr(mountinfo, "_TABLE", str(table))
    (only,) = mountinfo.table()
    assert only.point == point
    assert mountinfo.at("/forged") is None
