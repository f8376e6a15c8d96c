"""Bytes that are written to `control`, to commands."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pstorefs.control.language import LONGEST_LINE, Command, CommandError, Lines, parse

NAME = b"dmesg-erst-6495821019368914945"
LONG = b"archive " + b" ".join([NAME] * 300)

WRITES: list[tuple[str, list[bytes], list[bytes]]] = [
    ("echo", [b"archive\n"], [b"archive"]),
    ("printf without a newline", [b"archive"], [b"archive"]),
    ("two lines", [b"rescan\narchive\n"], [b"rescan", b"archive"]),
    ("two writes", [b"rescan\n", b"archive\n"], [b"rescan", b"archive"]),
    ("the last line without a newline", [b"rescan\narchive"], [b"rescan", b"archive"]),
    ("cut at 4096", [LONG[:4096], LONG[4096:] + b"\n"], [LONG]),
    ("cut twice", [LONG[:4096], LONG[4096:8192], LONG[8192:] + b"\n"], [LONG]),
    ("cut, and no newline ever", [LONG[:4096], LONG[4096:5000]], []),
    ("one large write", [LONG + b"\n"], [LONG]),
    ("one large write without a newline may be cut", [LONG], []),
    ("nothing", [b""], []),
]


@pytest.mark.parametrize(
    ("writes", "lines"), [row[1:] for row in WRITES], ids=[r[0] for r in WRITES]
)
def test_a_line_runs_when_it_is_whole(writes: list[bytes], lines: list[bytes]) -> None:
    cutter = Lines()
    assert [line for write in writes for line in cutter.feed(write) if line] == lines


@given(
    st.lists(st.sampled_from([b"archive", b"clear " + NAME, b"rescan", LONG]), min_size=1),
    st.data(),
)
def test_a_name_is_never_cut(lines: list[bytes], data: st.DataObject) -> None:
    """However a stream is cut at 4096 or more, only the lines that were meant come out."""
    stream = b"".join(line + b"\n" for line in lines)
    cutter, found = Lines(), []
    while stream:
        size = data.draw(st.integers(4096, 9000))
        found += cutter.feed(stream[:size])
        stream = stream[size:]
    assert [line for line in found if line] == lines


@pytest.mark.parametrize("begin", [b"", b"rescan\n"])
def test_clear_wants_its_newline(begin: bytes) -> None:
    """A program that writes piece by piece would erase what has the first half of the name."""
    cutter = Lines()
    assert cutter.feed(begin + b"clear dmesg-ramoops-1") == begin.split()
    with pytest.raises(CommandError, match="wants its newline"):
        cutter.check()
    assert cutter.pending == b""
    assert cutter.feed(b"clear dmesg-ramoops-10\n") == [b"clear dmesg-ramoops-10"]
    cutter.check()


def test_a_line_without_end_is_refused() -> None:
    cutter = Lines()
    for _ in range(LONGEST_LINE // 4096):
        assert cutter.feed(b"x" * 4096) == []
    with pytest.raises(CommandError, match="longer"):
        cutter.feed(b"x" * 4096)
    assert cutter.pending == b""


COMMANDS = [
    (b"archive", Command("archive")),
    (b"  archive  ", Command("archive")),
    (b"archive " + NAME, Command("archive", (NAME.decode(),))),
    (b"archive ./a dumps/b/ c", Command("archive", ("a", "dumps/b", "c"))),
    (b"clear a", Command("clear", ("a",))),
    (b"archive\ta \t b\r", Command("archive", ("a", "b"))),
    ("clear a\u3000b\x85".encode(), Command("clear", ("a\u3000b\x85",))),
    (b"rescan", Command("rescan")),
    (b"", None),
    (b" \t", None),
]


@pytest.mark.parametrize(("line", "command"), COMMANDS)
def test_a_line_is_the_command_that_it_says(line: bytes, command: Command | None) -> None:
    assert parse(line) == command


@pytest.mark.parametrize(
    "line", [b"clear", b"Archive", b"rm x", b"rescan now", b"\xff\xfe", b"a" * 99]
)
def test_what_is_no_command_is_refused(line: bytes) -> None:
    with pytest.raises(CommandError):
        parse(line)


@given(st.binary())
def test_any_bytes_are_a_command_or_refused(line: bytes) -> None:
    try:
        command = parse(line)
    except CommandError:
        return
    assert command is None or command.verb in ("archive", "clear", "rescan")
