"""zstd: decoding within bounds, our own decoder against the library, and damaged records."""

import random
import sys
from contextlib import suppress

import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from pstorefs.codecs import zstd
from pstorefs.codecs.base import UNKNOWN, CodecError
from pstorefs.codecs.fse import BackwardBits, read_table
from pstorefs.codecs.salvage.zstd import find_flaw, salvage_frame
from pstorefs.codecs.salvage.zstd_literals import place_literals
from pstorefs.codecs.zstd_blocks import Part, State, Step, read_literals, read_sequences
from pstorefs.codecs.zstd_frame import BLOCK_MAX, MAGIC, read_blocks, read_header
from tests.effort import effort
from tests.records import Record, records, without_notice

LIMIT = 1 << 20
REAL = [record for record in records("zstd") if record.reference is not None]
LARGE = [record for record in REAL if len(record.stored) > 1500]


def texts(record: Record) -> tuple[bytes, bytes]:
    assert record.reference is not None
    return without_notice(record.stored), without_notice(record.reference)


def words(seed: int, count: int) -> bytes:
    """Text with repetitions, like a log's."""
    rng = random.Random(seed)
    vocabulary = [rng.randbytes(rng.randrange(1, 6)).hex().encode() for _ in range(200)]
    return b" ".join(rng.choices(vocabulary, k=count))


def few_symbols(seed: int, count: int) -> bytes:
    return bytes(random.Random(seed).choices(b"abcdefgh \n", range(1, 11), k=count))


TEXTS = st.one_of(
    st.binary(max_size=2000),
    st.builds(words, st.integers(0, 99), st.integers(0, 3000)),
    st.builds(few_symbols, st.integers(0, 99), st.integers(0, 4000)),
    st.integers(0, 3000).map(bytes),
    st.binary(max_size=300).map(lambda data: data + bytes(3000) + data * 3),
)


def compress(text: bytes, level: int = 3, *, checksum: bool = False, size: bool = True) -> bytes:
    return zstandard.ZstdCompressor(
        level=level, write_checksum=checksum, write_content_size=size
    ).compress(text)


FRAMES = st.builds(
    compress,
    TEXTS,
    st.sampled_from([-5, 1, 3, 9, 19]),
    checksum=st.booleans(),
    size=st.booleans(),
)


def test_real_records_decode_to_their_reference_and_are_used_up() -> None:
    for record in REAL:
        data, text = texts(record)
        stream = zstd.decode(data, LIMIT)
        assert (stream.text, stream.used, stream.checked) == (text, len(data), True), record


@given(TEXTS, st.sampled_from([-5, 1, 3, 19]), st.booleans(), st.booleans(), st.binary(max_size=9))
def test_used_ends_where_the_frame_does(
    text: bytes, level: int, checksum: bool, size: bool, tail: bytes
) -> None:
    data = compress(text, level, checksum=checksum, size=size)
    stream = zstd.decode(data + tail, LIMIT)
    assert (stream.text, stream.used, stream.checked) == (text, len(data), checksum or size)


@given(FRAMES)
def test_our_own_decoder_agrees_with_the_library(data: bytes) -> None:
    remains = salvage_frame(data, LIMIT)
    assert remains.reason == ""
    assert remains.text == zstd.decode(data, LIMIT).text
    assert remains.rest == b""


@pytest.mark.parametrize("level", [1, 3, 7, 15, 19])
def test_our_own_decoder_agrees_over_many_blocks(level: int) -> None:
    """Blocks that repeat tables and Huffman codes, and raw ones."""
    text = words(1, 30000) + random.Random(2).randbytes(200_000) + few_symbols(3, 200_000)
    remains = salvage_frame(compress(text, level), LIMIT)
    assert (remains.text, remains.reason) == (text, "")


@given(FRAMES)
def test_literals_are_the_text_between_the_matches(data: bytes) -> None:
    text = zstandard.ZstdDecompressor().decompressobj().decompress(data)
    state = State()
    position = 0
    for block in read_blocks(data, read_header(data, LIMIT)):
        if block.kind != 2:
            return
        content = data[block.start : block.end]
        parts, end = read_literals(content, state)
        assert all(part.sound for part in parts)
        literals = b"".join(part.values for part in parts)
        steps, problem = read_sequences(content[end:], state)
        assert not problem
        place = 0
        for step in steps:
            assert text[position : position + step.literals] == literals[place:][: step.literals]
            place += step.literals
            position += step.literals + step.length
        assert text[position:].startswith(literals[place:])
        position += len(literals) - place


@pytest.mark.parametrize("size", [0, 1, 1000, 300_000])
@pytest.mark.parametrize("announced", [True, False])
def test_the_limit_is_exact(size: int, announced: bool) -> None:
    data = compress(b"x" * size, size=announced)
    assert len(zstd.decode(data, size).text) == size
    if size:
        with pytest.raises(CodecError, match=r"longer than|more than"):
            zstd.decode(data, size - 1)


@given(st.binary(max_size=500), st.sampled_from([0, 4, 6]), st.integers(0, 5000))
def test_any_bytes_keep_the_bounds(data: bytes, kept: int, limit: int) -> None:
    data = compress(b"Panic#1 Part1\n" * 9)[:kept] + data
    with suppress(CodecError):
        assert len(zstd.decode(data, limit).text) <= limit
    remains = zstd.salvage(data, limit)
    assert len(remains.text) + len(remains.rest) <= limit
    assert 0 <= remains.used <= len(data)
    assert remains.reason
    assert not remains.reason.endswith(".")


def block(kind: int, size: int, *, last: bool = False) -> bytes:
    return (size << 3 | kind << 1 | last).to_bytes(3, "little")


WINDOW_8_MIB = MAGIC + b"\x00\x68"


def test_bombs_stop_at_the_limit() -> None:
    announced = compress(bytes(64 << 20))
    compressor = zstandard.ZstdCompressor(write_content_size=False).compressobj()
    silent = compressor.compress(bytes(64 << 20)) + compressor.flush()
    rle = WINDOW_8_MIB + (block(1, BLOCK_MAX) + b"x") * 10_000
    empty = WINDOW_8_MIB + block(0, 0) * (8 << 20 >> 2)
    with effort() as spent:
        for bomb in (announced, silent, rle, empty):
            with pytest.raises(CodecError):
                zstd.decode(bomb, 1 << 16)
            assert len(zstd.salvage(bomb, 1 << 16).text) <= 1 << 16
    assert spent.units < 160


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (MAGIC + b"\xe0" + b"\xff" * 8, "announces"),
        (MAGIC + b"\x00\xff" + block(0, 0, last=True), "window"),
        (MAGIC + b"\x08\x00" + block(0, 0, last=True), "reserved bit"),
        (MAGIC + b"\x01\x00\x07" + block(0, 0, last=True), "dictionary"),
        (WINDOW_8_MIB + block(3, 0, last=True), "reserved kind"),
        (WINDOW_8_MIB + block(0, BLOCK_MAX + 1, last=True), "larger than"),
        (MAGIC + b"\x20\x05" + block(0, 4, last=True) + b"abcd", "its frame says 5|damaged"),
        (b"\x50\x2a\x4d\x18\x01\x00\x00\x00x", "no zstd frame"),
        (b"Panic#1", "no zstd frame"),
    ],
)
def test_what_kernels_do_not_write_is_refused(data: bytes, reason: str) -> None:
    with pytest.raises(CodecError, match=reason):
        zstd.decode(data, LIMIT)
    assert zstd.salvage(data, LIMIT).rest == b""


def test_a_wrong_checksum_leaves_nothing_certain() -> None:
    data = bytearray(compress(b"Panic#1 Part1\n" * 9, checksum=True))
    data[-1] ^= 1
    with pytest.raises(CodecError):
        zstd.decode(bytes(data), LIMIT)
    remains = zstd.salvage(bytes(data), LIMIT)
    assert (remains.text, remains.rest) == (b"", b"Panic#1 Part1\n" * 9)


def test_a_missing_library_is_named_and_the_text_is_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "zstandard", None)
    data, text = texts(REAL[0])
    with pytest.raises(zstd.MissingLibraryError, match="Python package zstandard"):
        zstd.decode(data, LIMIT)
    remains = zstd.salvage(data, LIMIT)
    assert remains.text == text
    assert "Python package zstandard is not installed" in remains.reason


@given(FRAMES, st.data())
def test_a_cut_anywhere_gives_a_prefix(data: bytes, choice: st.DataObject) -> None:
    text = zstd.decode(data, LIMIT).text
    remains = zstd.salvage(data[: choice.draw(st.integers(0, len(data) - 1))], LIMIT)
    assert remains.truncated
    assert text.startswith(remains.text)


@pytest.mark.parametrize(("part", "least"), [(25, 5), (50, 14), (75, 21)])
def test_cut_off_records_give_literals(part: int, least: int) -> None:
    """A block's text is known by its sequences, which stand last: only literals can be had."""
    there = whole = 0
    for record in LARGE:
        data, text = texts(record)
        remains = zstd.salvage(data[: len(data) * part // 100], LIMIT)
        assert remains.truncated
        assert remains.text == b""
        there += len(remains.rest.replace(UNKNOWN, b""))
        whole += len(text)
        assert remains.rest.startswith((b"Panic#", b"Oops#")) or part == 25
    assert there > whole * least // 100


def test_the_end_of_a_stream_that_is_cut_off_is_read() -> None:
    text = bytes(random.Random(5).choices(range(32, 127), range(1, 96), k=2000))
    data = compress(text)
    header = read_header(data, LIMIT)
    first = next(read_blocks(data, header))
    whole, end = read_literals(data[first.start : first.end], State())
    assert len(whole) == 4
    parts, _ = read_literals(data[first.start : first.start + end * 2 // 3], State())
    cut = next(part for part in parts if not part.sound)
    number = parts.index(cut)
    assert cut.cut_off
    assert len(cut.values) > 20
    assert whole[number].values[-20:] == cut.values[-20:]


def test_damaged_literals_leave_most_of_the_text() -> None:
    """All places are known: the text behind the break is as long as it was."""
    rng = random.Random(7)
    right = wrong = 0
    for record in LARGE * 2:
        data, text = texts(record)
        damaged = bytearray(data)
        start = rng.randrange(128, len(data) // 2)
        for place in rng.sample(range(start, start + 128), 11):
            damaged[place] ^= rng.randrange(1, 256)
        remains = zstd.salvage(bytes(damaged), LIMIT)
        if remains.reason == "a block's literals are damaged":
            got = remains.text.decode() + remains.rest.decode(errors="replace")
            right += sum(a == b for a, b in zip(got, text.decode(), strict=False))
            wrong += sum(a != b for a, b in zip(got, text.decode(), strict=False))
    assert right > 100_000
    assert right > 4 * wrong


def test_damage_that_the_library_overlooks_is_found() -> None:
    """RFC 8878, 4.2.2: a stream of literals that is not used up exactly is faulty."""
    overlooked = 0
    for record in LARGE:
        data = bytearray(texts(record)[0])
        data[len(data) // 3] ^= 0x5A
        data[len(data) // 3 + 9] ^= 0x5A
        overlooked += find_flaw(bytes(data), LIMIT) != ""
        assert find_flaw(texts(record)[0], LIMIT) == ""
    assert overlooked > len(LARGE) * 0.6


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32))
def test_damage_never_raises_and_takes_little_time(seed: int) -> None:
    rng = random.Random(seed)
    data, _ = texts(rng.choice(REAL))
    place = rng.randrange(5, len(data))
    with effort() as spent:
        damaged = data[:place] + rng.randbytes(rng.randrange(40)) + data[place:]
        remains = zstd.salvage(damaged, LIMIT)
    assert spent.units < 80
    assert len(remains.text) + len(remains.rest) <= LIMIT


def test_literals_of_a_damaged_stream_are_put_where_they_fit() -> None:
    """Two literals lack in the middle stream: those behind them count from its end."""
    text = b"".join(b"<%d>[%5d.%06d] cpu %d\n" % (n % 7, n, n * 7919, n % 4) for n in range(300))
    state = State()
    data = compress(text)
    first = next(read_blocks(data, read_header(data, LIMIT)))
    content = data[first.start : first.end]
    parts, end = read_literals(content, state)
    steps, _ = read_sequences(content[end:], state)
    whole = place_literals(parts, steps, b"")
    lost = parts[1].values[:100] + parts[1].values[102:]
    parts[1] = Part(parts[1].size, lost, sound=False)
    placed = place_literals(parts, steps, b"")
    assert len(placed) == len(whole)
    assert placed[: parts[0].size] == whole[: parts[0].size]
    assert placed[-2 * parts[3].size :] == whole[-2 * parts[3].size :]
    differing = [n for n, (a, b) in enumerate(zip(placed, whole, strict=True)) if a != b]
    assert len(differing) < 60


def test_too_many_literals_are_cut_and_none_is_no_problem() -> None:
    step = Step(2, 3, 1)
    assert len(place_literals([Part(3, b"abcdef", sound=False)], [step], b"xy")) == 3
    assert place_literals([Part(3, b"", sound=False, cut_off=True)], [], b"") == [256] * 3


def test_backward_bits_end_in_zeros() -> None:
    bits = BackwardBits(b"\xff\x05")
    assert bits.left == 10
    assert (bits.read(3), bits.read(4), bits.left) == (0b011, 0b1111, 3)
    assert (bits.read(5), bits.left) == (0b11100, -2)
    with pytest.raises(CodecError):
        BackwardBits(b"\x01\x00")


@given(st.binary(max_size=60))
def test_fse_tables_of_any_bytes_have_all_states_or_are_refused(data: bytes) -> None:
    try:
        table, used = read_table(data, 9, 53)
    except CodecError:
        return
    assert used <= len(data)
    size = len(table)
    for symbol, width, base in table:
        assert 0 <= symbol < 53
        assert base >= 0
        assert base + (1 << width) <= size
