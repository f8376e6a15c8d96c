"""Raw deflate: decoding within bounds, and what is left of damaged records."""

import random
import zlib
from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pstorefs.codecs import deflate
from pstorefs.codecs.base import UNKNOWN, CodecError
from tests.effort import effort
from tests.records import Record, records, without_notice

LIMIT = 1 << 20
REAL = [record for record in records("deflate") if record.reference is not None]
LARGE = [record for record in REAL if len(record.stored) > 2500]
DAMAGED = [record for record in records("deflate") if record.truth is not None]


def compress(text: bytes, level: int = 6, window: int = 15, strategy: int = 0) -> bytes:
    compressor = zlib.compressobj(level, zlib.DEFLATED, -window, 8, strategy)
    return compressor.compress(text) + compressor.flush()


def texts(record: Record) -> tuple[bytes, bytes]:
    assert record.reference is not None
    return without_notice(record.stored), without_notice(record.reference)


def damage(data: bytes, rng: random.Random) -> bytes:
    """Flip 11 bytes of one 128-byte block behind the first, as in the damaged captures."""
    start = rng.randrange(1, len(data) // 128) * 128
    damaged = bytearray(data)
    for place in rng.sample(range(start, start + 128), 11):
        damaged[place] ^= rng.randrange(1, 256)
    return bytes(damaged)


@pytest.fixture(params=["zlib-ng", "zlib"])
def engine(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Both ways to decode what is whole."""
    assert deflate._quick is not None, "tests/requirements.txt has zlib-ng"
    if request.param == "zlib":
        monkeypatch.setattr(deflate, "_quick", None)
    return str(request.param)


@pytest.mark.usefixtures("engine")
def test_real_records_decode_to_their_reference_and_are_used_up() -> None:
    for record in REAL:
        data, text = texts(record)
        stream = deflate.decode(data, LIMIT)
        assert (stream.text, stream.used, stream.checked) == (text, len(data), False), record


@given(st.binary(max_size=3000), st.integers(0, 9), st.binary(max_size=20))
def test_used_ends_where_the_stream_does(text: bytes, level: int, tail: bytes) -> None:
    data = compress(text, level)
    stream = deflate.decode(data + tail, LIMIT)
    assert (stream.text, stream.used) == (text, len(data))


@pytest.mark.usefixtures("engine")
@pytest.mark.parametrize("size", [0, 1, 1000, 70000])
def test_the_limit_is_exact(size: int) -> None:
    data = compress(b"x" * size)
    assert len(deflate.decode(data, size).text) == size
    if size:
        with pytest.raises(CodecError, match="longer than"):
            deflate.decode(data, size - 1)


@given(st.binary(max_size=2000), st.integers(0, 5000))
def test_any_bytes_keep_the_bounds(data: bytes, limit: int) -> None:
    with suppress(CodecError):
        assert len(deflate.decode(data, limit).text) <= limit
    remains = deflate.salvage(data, limit)
    assert len(remains.text) + len(remains.rest) <= limit
    assert 0 <= remains.used <= len(data)
    assert remains.reason
    assert not remains.reason.endswith(".")


def decoded(data: bytes) -> tuple[object, ...]:
    try:
        return tuple(deflate.decode(data, LIMIT))
    except CodecError as error:
        return (str(error),)


def test_what_is_wrong_with_a_record_does_not_depend_on_what_is_installed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rng = random.Random(7)
    streams = []
    for number in range(3000):
        data, _ = texts(REAL[number % len(REAL)])
        damaged = bytearray(data)
        for _ in range(rng.choice((1, 1, 2, 8))):
            damaged[rng.randrange(len(damaged))] ^= 1 << rng.randrange(8)
        cut = rng.choice((len(damaged), rng.randrange(len(damaged))))
        streams.append(bytes(damaged[:cut]))
    quickly = [decoded(data) for data in streams]
    monkeypatch.setattr(deflate, "_quick", None)
    assert quickly == [decoded(data) for data in streams]
    assert 100 < sum(len(each) > 1 for each in quickly) < 2000


@pytest.mark.usefixtures("engine")
def test_a_bomb_stops_at_the_limit() -> None:
    bomb = compress(bytes(64 << 20), 9)
    with effort() as spent:
        with pytest.raises(CodecError):
            deflate.decode(bomb, 1 << 16)
        assert len(deflate.salvage(bomb, 1 << 16).text) == 1 << 16
    assert spent.units < 40


@pytest.mark.parametrize("part", [25, 50, 75])
def test_cut_off_records_give_all_text_that_the_bytes_allow(part: int) -> None:
    for record in REAL:
        data, text = texts(record)
        cut = data[: len(data) * part // 100]
        remains = deflate.salvage(cut, LIMIT)
        assert remains.truncated
        assert remains.used == len(cut)
        assert remains.rest == b""
        assert remains.text == zlib.decompressobj(-15).decompress(cut)
        assert text.startswith(remains.text)


@given(st.binary(max_size=1000), st.integers(0, 9), st.data())
def test_a_cut_anywhere_gives_a_prefix(text: bytes, level: int, data: st.DataObject) -> None:
    whole = compress(text * 3, level)
    cut = data.draw(st.integers(0, len(whole) - 1))
    remains = deflate.salvage(whole[:cut], LIMIT)
    assert remains.truncated
    assert (text * 3).startswith(remains.text)


def test_a_whole_stream_is_called_whole() -> None:
    assert deflate.salvage(compress(b"text"), LIMIT).reason == "nothing is wrong"
    remains = deflate.salvage(compress(b"text") + b"more", LIMIT)
    assert remains.text == b"text"
    assert not remains.truncated
    assert "4 bytes follow" in remains.reason


def test_the_real_damaged_records_give_most_of_their_text() -> None:
    """The order of the words is right: counted are words of the truth that are in the rest."""
    assert len(DAMAGED) == 2
    for record in DAMAGED:
        assert record.truth is not None
        truth = without_notice(record.truth)
        remains = deflate.salvage(without_notice(record.stored), LIMIT)
        assert not remains.truncated
        assert truth.startswith(remains.text[:250])
        words = set(remains.rest.replace(UNKNOWN, b" ").split())
        wanted = set(truth.split())
        assert len(words & wanted) > len(wanted) * 0.6, record
        # The last lines, which say what happened, are there.
        assert b"Kernel Offset: 0x" in remains.rest or b"end trace" in remains.rest


def test_damaged_records_give_text_behind_the_damage() -> None:
    """Of the text behind the break, 70 % are right at least, and less than 15 % wrong."""
    rng = random.Random(1)
    right = wrong = behind = 0
    for record in LARGE * 4:
        data, text = texts(record)
        damaged = damage(data, rng)
        remains = deflate.salvage(damaged, LIMIT)
        if remains.used == len(data):
            continue  # it decodes, to garbled text: nothing in the format tells
        rest = remains.rest.decode(errors="replace")
        tail = text[-len(rest) :].decode() if rest else ""
        behind += len(text) - len(remains.text)
        right += sum(a == b for a, b in zip(rest[::-1], tail[::-1], strict=False))
        wrong += sum(
            a not in {b, "\N{REPLACEMENT CHARACTER}"}
            for a, b in zip(rest[::-1], tail[::-1], strict=False)
        )
    assert behind > 150_000
    assert right > behind * 0.7
    assert wrong < behind * 0.15


@pytest.mark.parametrize(
    "data",
    [
        random.Random(2).randbytes(64 << 10),
        b"\xaa\x55" * (32 << 10),
        b"\xed\xbd" * (32 << 10),
        random.Random(3).randbytes(8 << 20),
    ],
    ids=["noise", "aa55", "edbd", "8 MiB"],
)
def test_salvage_takes_little_time(data: bytes) -> None:
    with effort() as spent:
        deflate.salvage(data, LIMIT)
    assert spent.units < 200


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32))
def test_damage_never_raises_and_keeps_the_text_before_it(seed: int) -> None:
    rng = random.Random(seed)
    data, text = texts(rng.choice(LARGE))
    place = rng.randrange(len(data))
    damaged = data[:place] + rng.randbytes(rng.randrange(1, 40)) + data[place + 20 :]
    remains = deflate.salvage(damaged, LIMIT)
    before = zlib.decompressobj(-15).decompress(data[:place])
    assert remains.text.startswith(before) or before.startswith(remains.text)
    assert text.startswith(before)
