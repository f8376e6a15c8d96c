"""842 streams: every template, the header of the hardware, and what is left of broken streams."""

import random
from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pstorefs.codecs import nx842 as codec
from pstorefs.codecs.base import CodecError
from tests.damage import flip, real, shares, unrecoverable
from tests.effort import effort

LIMIT = 1 << 20
REAL = real("842")
RINGS = {2: (512, 8), 4: (2048, 9), 8: (2048, 8)}


def crc(text: bytes) -> int:
    """CRC-32, bit by bit as formats.md describes it."""
    value = 0
    for byte in text:
        value ^= byte << 24
        for _ in range(8):
            value = value << 1 ^ (0x104C11DB7 if value & 0x80000000 else 0)
    return value


class Writer:
    """Writes groups, and keeps the text that they stand for."""

    def __init__(self, rng: random.Random) -> None:
        self.rng = rng
        self.bits = ""
        self.text = bytearray()

    def put(self, value: int, width: int) -> None:
        self.bits += f"{value:0{width}b}"

    def group(self, template: int) -> None:
        self.put(template, 5)
        here = len(self.text)
        for word in codec._TEMPLATES[template].split():
            size = int(word[1])
            literal = self.rng.randbytes(size)
            if word[0] == "D":
                self.put(int.from_bytes(literal, "big"), 8 * size)
                self.text += literal
            else:
                ring, width = RINGS[size]
                start = self.rng.randrange(max(0, here - ring), here) // size * size
                self.put(start % ring // size, width)
                self.text += self.text[start : start + size]

    def repeat(self, times: int) -> None:
        self.put(0x1B, 5)
        self.put(times - 1, 6)
        self.text += self.text[-8:] * times

    def zeros(self) -> None:
        self.put(0x1C, 5)
        self.text += bytes(8)

    def short(self, size: int) -> None:
        literal = self.rng.randbytes(size)
        self.put(0x1D, 5)
        self.put(size, 3)
        self.put(int.from_bytes(literal, "big"), 8 * size)
        self.text += literal

    def end(self) -> bytes:
        self.put(0x1E, 5)
        self.put(crc(self.text), 32)
        self.bits += "0" * (-len(self.bits) % 64)
        return int(self.bits, 2).to_bytes(len(self.bits) // 8, "big")


def written(seed: int, groups: int = 500) -> tuple[bytes, bytes]:
    rng = random.Random(seed)
    writer = Writer(rng)
    writer.group(0)
    for template in [*range(len(codec._TEMPLATES)), *rng.choices(range(26), k=groups)]:
        writer.group(template)
        if rng.random() < 0.05:
            writer.repeat(rng.randrange(1, 65))
        if rng.random() < 0.02:
            writer.zeros()
    if tail := seed % 8:
        writer.short(tail)
    return writer.end(), bytes(writer.text)


def test_real_records_decode_to_their_reference() -> None:
    for data, text in REAL:
        stream = codec.decode(data, LIMIT)
        assert (stream.text, stream.used, stream.checked) == (text, len(data), True)


@pytest.mark.parametrize("seed", range(16))
def test_every_template_is_understood(seed: int) -> None:
    data, text = written(seed)
    stream = codec.decode(data, LIMIT)
    assert (stream.text, stream.used, stream.checked) == (text, len(data), True)


def test_an_8_kib_record_takes_a_few_milliseconds() -> None:
    data, _ = next(pair for pair in REAL if len(pair[1]) > 7500)
    with effort() as spent:
        for _ in range(100):
            codec.decode(data, LIMIT)
    # About 1 ms each on the machine that this was written on.
    assert spent.units < 80


def test_a_single_wrong_byte_never_changes_the_text_unnoticed() -> None:
    data, text = written(1, 20)
    for place in range(len(data) - 8):
        damaged = bytearray(data)
        damaged[place] ^= 0x10
        with suppress(CodecError):
            assert codec.decode(bytes(damaged), LIMIT).text == text


def test_filling_belongs_to_the_stream_and_what_follows_does_not() -> None:
    for seed in range(8):
        data, _ = written(seed, 30)
        assert codec.decode(data + bytes(8), LIMIT).used == len(data)
        assert codec.decode(data + b"more", LIMIT).used == len(data)


@pytest.mark.parametrize(
    ("bits", "reason"),
    [
        ("", "ends before"),
        ("11010", "no template 0x1a"),
        ("11111" + "0" * 8, "no template 0x1f"),
        ("11011000000", "repeats"),
        ("11001" + "0" * 8, "does not exist"),
        ("11101000", "no template 0x1d"),
        ("11110" + "1" * 32, "checksum does not match"),
        ("11110" + "1" * 11, "inside the checksum"),
    ],
)
def test_what_is_no_stream_is_an_error(bits: str, reason: str) -> None:
    bits += "0" * (-len(bits) % 8)
    data = int(bits or "0", 2).to_bytes(len(bits) // 8, "big")
    with pytest.raises(CodecError, match=reason):
        codec.decode(data, LIMIT)


def test_the_limit_is_exact() -> None:
    data, text = written(3)
    assert codec.decode(data, len(text)).text == text
    with pytest.raises(CodecError, match="longer than"):
        codec.decode(data, len(text) - 1)


def test_a_bomb_stops_at_the_limit() -> None:
    writer = Writer(random.Random(1))
    writer.group(0)
    writer.bits += ("11011" + "1" * 6) * 100000
    bomb = int(writer.bits[: len(writer.bits) // 8 * 8], 2).to_bytes(len(writer.bits) // 8, "big")
    with effort() as spent:
        with pytest.raises(CodecError, match="longer than"):
            codec.decode(bomb, LIMIT)
        assert len(codec.salvage(bomb, LIMIT).text) <= LIMIT
    assert spent.units < 400


@given(st.binary(max_size=400), st.sampled_from([0, 10, LIMIT]), st.booleans())
@settings(max_examples=300)
def test_any_bytes_give_a_text_within_the_limit_or_an_error(
    data: bytes, limit: int, header: bool
) -> None:
    data = b"\xf8\x42" * header + data
    with suppress(CodecError):
        assert len(codec.decode(data, limit).text) <= limit
    remains = codec.salvage(data, limit)
    assert len(remains.text) + len(remains.rest) <= limit
    assert remains.used <= len(data)


def test_a_cut_record_gives_all_text_up_to_the_cut() -> None:
    for data, text in REAL[::6]:
        before = 0
        for cut in range(1, len(data.rstrip(b"\0")), 67):
            remains = codec.salvage(data[:cut], LIMIT)
            assert text.startswith(remains.text)
            assert (remains.truncated, remains.used, remains.rest) == (True, cut, b"")
            assert len(remains.text) >= before
            before = len(remains.text)


def test_a_cut_in_literals_gives_those_that_are_there() -> None:
    writer = Writer(random.Random(1))
    writer.group(0)
    whole = writer.end()
    for cut in range(2, 9):
        assert codec.salvage(whole[:cut], LIMIT).text == writer.text[: (8 * cut - 5) // 8]


def test_records_that_no_kernel_could_read_come_back_for_the_most_part() -> None:
    pairs = [(truth, codec.salvage(data, LIMIT)) for _, data, truth in unrecoverable("842")]
    certain, uncertain = shares(pairs)
    assert len(pairs) == 2
    assert certain + uncertain > 0.5


def test_damage_in_the_middle_leaves_the_text_before_and_much_of_the_text_behind() -> None:
    rng = random.Random(2)
    large = [pair for pair in REAL if len(pair[1]) > 5000]
    pairs = [(text, codec.salvage(flip(data, rng), LIMIT)) for data, text in large[::3]]
    certain, uncertain = shares(pairs)
    assert certain > 0.2
    assert certain + uncertain > 0.5


@pytest.mark.parametrize("kind", ["random", "damaged"])
def test_the_salvage_of_64_kib_takes_a_second_or_two(kind: str) -> None:
    rng = random.Random(3)
    data = rng.randbytes(65536) if kind == "random" else flip(written(1, 9000)[0], rng)
    with effort() as spent:
        codec.salvage(data, LIMIT)
    assert spent.units < 400


PARTS = [written(seed, 40) for seed in (8, 16)]


class TestHardwareHeader:
    """The header that the kernel's driver for NX hardware puts before streams."""

    def build(self, ignore: int = 0, count: int | None = None, first_padding: int = 25) -> bytes:
        sizes = [(len(data), len(text)) for data, text in PARTS]
        header = b"\xf8\x42" + ignore.to_bytes(2, "big") + bytes([count or len(sizes)])
        paddings = [first_padding + 7, 3]
        for padding, (packed, unpacked) in zip(paddings, sizes, strict=True):
            header += padding.to_bytes(2, "big")
            header += packed.to_bytes(4, "big") + unpacked.to_bytes(4, "big")
        return header + bytes(7) + PARTS[0][0] + bytes(3) + PARTS[1][0]

    @pytest.mark.parametrize("ignore", [0, 5])
    def test_parts_are_joined_and_filling_is_left_out(self, ignore: int) -> None:
        data = self.build(ignore)
        text = b"".join(text for _, text in PARTS)
        stream = codec.decode(data, len(text))
        assert (stream.text, stream.used) == (text[: len(text) - ignore], len(data))
        assert stream.checked

    @pytest.mark.parametrize(
        "data",
        [b"\xf8\x42", b"\xf8\x42\0\0\0", b"\xf8\x42\0\0\xff" + bytes(4000)],
        ids=["cut", "no parts", "too many parts"],
    )
    def test_a_bad_header_is_an_error(self, data: bytes) -> None:
        with pytest.raises(CodecError, match="header"):
            codec.decode(data, LIMIT)
        assert codec.salvage(data, LIMIT).text == b""

    def test_parts_must_not_lie_in_the_header(self) -> None:
        with pytest.raises(CodecError, match="header"):
            codec.decode(self.build(first_padding=10), LIMIT)

    def test_whole_parts_survive_a_broken_one(self) -> None:
        data = bytearray(self.build())
        data[60] ^= 0xFF
        remains = codec.salvage(bytes(data), LIMIT)
        assert PARTS[0][1].startswith(remains.text[:8])
        assert remains.rest.endswith(PARTS[1][1])
        assert not remains.truncated

    def test_a_cut_gives_a_prefix(self) -> None:
        data = self.build()
        text = b"".join(text for _, text in PARTS)
        for cut in range(0, len(data), 11):
            remains = codec.salvage(data[:cut], LIMIT)
            assert text.startswith(remains.text)
