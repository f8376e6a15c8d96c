"""LZO1X streams: every instruction, real records, and what is left of broken streams."""

import random
from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pstorefs.codecs import lzo as codec
from pstorefs.codecs.base import CodecError
from tests.damage import flip, real, shares, unrecoverable
from tests.effort import effort

LIMIT = 1 << 20
END = b"\x11\x00\x00"
REAL = real("lzo")
LARGE = [pair for pair in REAL if len(pair[1]) > 5000]


class Writer:
    """Writes instructions, and keeps the text that they stand for."""

    def __init__(self) -> None:
        self.data = bytearray()
        self.text = bytearray()
        self.state = 0
        self.used: set[str] = set()

    def run(self, literals: bytes) -> None:
        """A run of literals, where one may stand: at the beginning, and where none came before."""
        if not self.data and 4 <= len(literals) <= 238:
            self.data.append(17 + len(literals))
            self.used.add("first run")
        else:
            assert self.state == 0
            self.data += self.length(0, 15, len(literals) - 3)
            self.used.add("run")
        self._put(literals)

    def copy(self, form: str, distance: int, length: int, literals: bytes) -> None:
        s = len(literals)
        if form == "1LLD" or form == "01LD":
            far, near = divmod(distance - 1, 8)
            self.data += bytes([(length - 1) << 5 | near << 2 | s, far])
        elif form == "001L":
            self.data += self.length(0x20, 31, length - 2)
            self.data += ((distance - 1) << 2 | s).to_bytes(2, "little")
        elif form == "0001":
            high, low = divmod(distance - 16384, 16384)
            self.data += self.length(0x10 | high << 3, 7, length - 2)
            self.data += (low << 2 | s).to_bytes(2, "little")
        else:
            far, near = divmod(distance - (1 if form == "near" else 2049), 4)
            self.data += bytes([near << 2 | s, far])
        for _ in range(length):
            self.text.append(self.text[-distance])
        self.used.add(form)
        self._put(literals)

    @staticmethod
    def length(code: int, field: int, value: int) -> bytes:
        if value <= field:
            return bytes([code | value])
        zeros, last = divmod(value - field - 1, 255)
        return bytes([code]) + bytes(zeros) + bytes([last + 1])

    def forms(self) -> dict[str, tuple[range, range]]:
        """Distances and lengths of the copies that can be written now."""
        size = len(self.text)
        every = {
            "1LLD": (range(1, 2049), range(5, 9)),
            "01LD": (range(1, 2049), range(3, 5)),
            "001L": (range(1, 16385), range(3, 600)),
            "0001": (range(16385, 49152), range(3, 600)),
        }
        if 0 < self.state < 4:
            every["near"] = (range(1, 1025), range(2, 3))
        if self.state == 4:
            every["far"] = (range(2049, 3073), range(3, 4))
        return {
            form: (range(reach.start, min(reach.stop, size + 1)), lengths)
            for form, (reach, lengths) in every.items()
            if reach.start <= size
        }

    def _put(self, literals: bytes) -> None:
        self.data += literals
        self.text += literals
        self.state = min(len(literals), 4)


def written(rng: random.Random, steps: int) -> Writer:
    writer = Writer()
    writer.run(rng.randbytes(rng.choice([4, 238, 239, 3000, 17000])))
    for _ in range(steps):
        if writer.state == 0 and rng.random() < 0.5:
            writer.run(rng.randbytes(rng.choice([4, 18, 19, 273, 274, 600])))
            continue
        form, (distances, lengths) = rng.choice(list(writer.forms().items()))
        writer.copy(
            form, rng.choice(distances), rng.choice(lengths), rng.randbytes(rng.randrange(4))
        )
    writer.data += END
    return writer


def test_real_records_decode_to_their_reference() -> None:
    for data, text in REAL:
        stream = codec.decode(data, LIMIT)
        assert (stream.text, stream.used, stream.checked) == (text, len(data), False)


def test_every_instruction_is_understood() -> None:
    used = set()
    for seed in range(60):
        writer = written(random.Random(seed), 60)
        stream = codec.decode(bytes(writer.data), LIMIT)
        assert stream.text == writer.text
        assert stream.used == len(writer.data)
        used |= writer.used
    assert used == {"first run", "run", "1LLD", "01LD", "001L", "0001", "near", "far"}


@pytest.mark.parametrize("size", [1, 2, 3])
def test_a_stream_can_begin_with_one_to_three_literals(size: int) -> None:
    data = bytes([17 + size]) + b"abc"[:size] + b"\x00\x00" + END
    assert codec.decode(data, LIMIT).text == b"abc"[:size] + b"abc"[size - 1 : size] * 2


def test_an_empty_stream_has_no_text() -> None:
    assert codec.decode(END, LIMIT).text == b""


def test_a_distance_of_16384_is_no_end_in_the_instruction_for_near_copies() -> None:
    writer = Writer()
    writer.run(random.Random(4).randbytes(16384))
    writer.copy("001L", 16384, 3, b"")
    assert codec.decode(bytes(writer.data + END), LIMIT).text == writer.text


def test_what_follows_the_end_mark_is_not_used() -> None:
    data, text = REAL[0]
    stream = codec.decode(data + b"more", LIMIT)
    assert (stream.text, stream.used) == (text, len(data))


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\x16abcde",
        b"\x16abcde\x40",
        b"\x16abcde\x12\x00\x00",
        b"\x16abcde\x5c\x01" + END,
        b"\x10\x00\x04" + END,
        b"\x11\x01\x0d" + END,
    ],
    ids=["nothing", "no end", "cut", "end of wrong length", "too far", "no text", "lzo-rle"],
)
def test_what_is_no_stream_is_an_error(data: bytes) -> None:
    with pytest.raises(CodecError):
        codec.decode(data, LIMIT)


@pytest.mark.parametrize("size", [8, 5000])
def test_the_limit_is_exact(size: int) -> None:
    writer = Writer()
    writer.run(b"12345")
    writer.copy("001L", 1, size - 5, b"")
    data = bytes(writer.data + END)
    assert len(codec.decode(data, size).text) == size
    with pytest.raises(CodecError, match="longer than"):
        codec.decode(data, size - 1)


def test_a_bomb_stops_at_the_limit() -> None:
    bomb = b"\x16abcde\x20" + bytes(300000) + b"\x01\x00\x00" + END
    with effort() as spent:
        with pytest.raises(CodecError, match="longer than"):
            codec.decode(bomb, LIMIT)
        assert len(codec.salvage(bomb, LIMIT).text) <= LIMIT
    assert spent.units < 400


@given(st.binary(max_size=400), st.sampled_from([0, 10, LIMIT]))
@settings(max_examples=300)
def test_any_bytes_give_a_text_within_the_limit_or_an_error(data: bytes, limit: int) -> None:
    with suppress(CodecError):
        assert len(codec.decode(data, limit).text) <= limit
    remains = codec.salvage(data, limit)
    assert len(remains.text) + len(remains.rest) <= limit
    assert remains.used <= len(data)


def test_a_cut_record_gives_all_text_up_to_the_cut() -> None:
    for data, text in LARGE[::3]:
        before = 0
        for cut in range(1, len(data), 61):
            remains = codec.salvage(data[:cut], LIMIT)
            assert text.startswith(remains.text)
            assert (remains.truncated, remains.used, remains.rest) == (True, cut, b"")
            assert len(remains.text) >= before
            before = len(remains.text)


def test_a_cut_in_a_run_of_literals_gives_those_that_are_there() -> None:
    assert codec.salvage(b"\x1babcde", LIMIT).text == b"abcde"


def test_records_that_no_kernel_could_read_come_back_for_the_most_part() -> None:
    pairs = [(truth, codec.salvage(data, LIMIT)) for _, data, truth in unrecoverable("lzo")]
    certain, uncertain = shares(pairs)
    assert len(pairs) == 2
    assert certain + uncertain > 0.4


def test_damage_in_the_middle_leaves_the_text_before_and_most_of_the_text_behind() -> None:
    rng = random.Random(2)
    pairs = []
    for data, text in LARGE[::2]:
        damaged = flip(data, rng)
        with suppress(CodecError):
            codec.decode(damaged, LIMIT)
            continue
        pairs.append((text, codec.salvage(damaged, LIMIT)))
    certain, uncertain = shares(pairs)
    assert certain > 0.2
    assert certain + uncertain > 0.5


@pytest.mark.parametrize("kind", ["random", "printable"])
def test_the_salvage_of_64_kib_takes_a_second_or_two(kind: str) -> None:
    rng = random.Random(3)
    lines = LARGE[0][1]
    data = rng.randbytes(65536) if kind == "random" else bytes(rng.choices(lines, k=65536))
    with effort() as spent:
        codec.salvage(data, LIMIT)
    assert spent.units < 400
