"""zlib-wrapped deflate: the header, the checksum, and what is left without them."""

import random
import zlib
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pstorefs.codecs import zlibbed
from pstorefs.codecs.base import CodecError
from tests.effort import effort
from tests.records import records, without_notice

LIMIT = 1 << 20
TEXTS = [without_notice(r.reference) for r in records("deflate") if r.reference is not None]


def compress(text: bytes) -> bytes:
    """As kernels up to 4.17 do: level 6, window 12, memory level 4; first bytes 48 89."""
    compressor = zlib.compressobj(6, zlib.DEFLATED, 12, 4)
    return compressor.compress(text) + compressor.flush()


def test_records_as_old_kernels_wrote_them_decode() -> None:
    for text in TEXTS:
        data = compress(text)
        assert data[:2] == b"\x48\x89"
        stream = zlibbed.decode(data, LIMIT)
        assert (stream.text, stream.used, stream.checked) == (text, len(data), True)


@given(st.binary(max_size=2000), st.integers(0, 9), st.binary(max_size=9))
def test_used_ends_behind_the_checksum(text: bytes, level: int, tail: bytes) -> None:
    data = zlib.compress(text, level)
    assert zlibbed.decode(data + tail, LIMIT).used == len(data)


@given(st.binary(max_size=2000), st.integers(0, 5000))
def test_any_bytes_keep_the_bounds(data: bytes, limit: int) -> None:
    for whole in (data, b"\x48\x89" + data):
        with suppress(CodecError):
            assert len(zlibbed.decode(whole, limit).text) <= limit
        remains = zlibbed.salvage(whole, limit)
        assert len(remains.text) + len(remains.rest) <= limit
        assert 0 <= remains.used <= len(whole)


def test_a_bomb_stops_at_the_limit() -> None:
    bomb = zlib.compress(bytes(64 << 20), 9)
    with effort() as spent:
        with pytest.raises(CodecError, match="longer than"):
            zlibbed.decode(bomb, 1 << 16)
        assert len(zlibbed.salvage(bomb, 1 << 16).text) == 1 << 16
    assert spent.units < 40


def test_a_wrong_checksum_leaves_nothing_certain() -> None:
    data = bytearray(compress(TEXTS[0]))
    data[-1] ^= 1
    with pytest.raises(CodecError, match="incorrect data check"):
        zlibbed.decode(bytes(data), LIMIT)
    remains = zlibbed.salvage(bytes(data), LIMIT)
    assert remains.text == b""
    assert remains.rest == TEXTS[0]
    assert "Adler-32" in remains.reason
    assert not remains.truncated


@given(st.binary(max_size=1000), st.data())
def test_a_cut_anywhere_gives_a_prefix(text: bytes, data: st.DataObject) -> None:
    whole = zlib.compress(text * 3)
    cut = data.draw(st.integers(0, len(whole) - 1))
    remains = zlibbed.salvage(whole[:cut], LIMIT)
    assert remains.truncated
    assert (text * 3).startswith(remains.text)
    if cut >= len(whole) - 4:
        assert remains.text == text * 3


def test_what_has_no_zlib_header_is_left_alone() -> None:
    for data in (b"Panic", b"\x48\x88abc", b"\x48\xa8abc"):
        remains = zlibbed.salvage(data, LIMIT)
        assert (remains.text, remains.rest, remains.used) == (b"", b"", 0)


def test_a_preset_dictionary_is_refused() -> None:
    compressor = zlib.compressobj(zdict=b"Panic#1 Part1\n")
    data = compressor.compress(TEXTS[0]) + compressor.flush()
    with pytest.raises(CodecError):
        zlibbed.decode(data, LIMIT)
    assert zlibbed.salvage(data, LIMIT).text == b""


def test_damage_leaves_text_before_and_behind_it() -> None:
    rng = random.Random(4)
    rests = 0
    for text in TEXTS:
        data = bytearray(compress(text))
        if len(data) < 2500 or rests > 4:
            continue
        for place in rng.sample(range(1000, 1128), 11):
            data[place] ^= rng.randrange(1, 256)
        before = zlib.decompressobj(15).decompress(data[:1000])
        remains = zlibbed.salvage(bytes(data), LIMIT)
        assert remains.text.startswith(before) or "Adler" in remains.reason
        assert text.startswith(before)
        rests += len(remains.rest) > 1000
    assert rests > 4


def test_a_whole_stream_is_called_whole() -> None:
    data = zlib.compress(b"text")
    assert zlibbed.salvage(data, LIMIT).reason == "nothing is wrong"
    remains = zlibbed.salvage(data + b"more", LIMIT)
    assert (remains.text, remains.used) == (b"text", len(data))
