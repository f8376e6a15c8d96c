"""LZ4 blocks: the library's decoding, ours, and what is left of broken ones."""

import random
import sys
from contextlib import suppress

import lz4.block
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pstorefs.codecs import lz4 as codec
from pstorefs.codecs.base import CodecError
from tests.damage import flip, real, shares
from tests.effort import effort

LIMIT = 1 << 20
REAL = real("lz4") + real("lz4hc")
SOME = random.Random(1).sample([pair for pair in REAL if len(pair[1]) > 5000], 12)


@pytest.fixture(params=["library", "own"])
def _decoder(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if request.param == "own":
        monkeypatch.setitem(sys.modules, "lz4.block", None)


def own(data: bytes, limit: int) -> bytes:
    out = bytearray()
    assert codec._expand(data, 0, out, limit) == len(data)
    return bytes(out)


def compress(text: bytes, mode: str = "default") -> bytes:
    block: bytes = lz4.block.compress(text, store_size=False, mode=mode)
    return block


def sequence(literals: bytes, distance: int, length: int) -> bytes:
    """One sequence; the last of a block has distance 0."""
    run, more = len(literals), length - 4 if distance else 0
    token = min(run, 15) << 4 | min(more, 15)
    match = distance.to_bytes(2, "little") + extension(more) if distance else b""
    return bytes([token]) + extension(run) + literals + match


def extension(count: int) -> bytes:
    return b"" if count < 15 else b"\xff" * ((count - 15) // 255) + bytes([(count - 15) % 255])


@pytest.mark.usefixtures("_decoder")
def test_real_records_decode_to_their_reference() -> None:
    for data, text in REAL[::5]:
        stream = codec.decode(data, LIMIT)
        assert (stream.text, stream.used, stream.checked) == (text, len(data), False)


@given(
    st.binary(max_size=5000), st.integers(1, 300), st.sampled_from(["default", "high_compression"])
)
def test_whatever_was_compressed_comes_back(text: bytes, times: int, mode: str) -> None:
    text = (text * times)[:20000]
    data = compress(text, mode)
    assert codec.decode(data, len(text)).text == text
    assert own(data, len(text)) == text


@given(
    st.lists(
        st.tuples(st.binary(min_size=1, max_size=600), st.integers(1, 99), st.integers(4, 900))
    ),
    st.binary(min_size=12, max_size=400),
)
def test_every_form_of_a_sequence_is_understood(
    sequences: list[tuple[bytes, int, int]], last: bytes
) -> None:
    text, data = bytearray(), b""
    for literals, distance, length in sequences:
        text += literals
        reach = min(distance, len(text))
        data += sequence(literals, reach, length)
        for _ in range(length):
            text.append(text[-reach])
    text += last
    data += sequence(last, 0, 0)
    assert own(data, LIMIT) == text == codec.decode(data, LIMIT).text


@pytest.mark.usefixtures("_decoder")
@pytest.mark.parametrize("extra", [-1, 0, 1])
def test_the_limit_is_exact(extra: int) -> None:
    data, text = REAL[0]
    if extra < 0:
        with pytest.raises(CodecError, match=str(len(text) - 1)):
            codec.decode(data, len(text) + extra)
    else:
        assert codec.decode(data, len(text) + extra).text == text


@pytest.mark.usefixtures("_decoder")
@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\xf0",
        b"\xf0\xff\xff",
        b"\x40abc",
        b"\x40abcd\x01",
        sequence(b"abcd", 5, 8) + sequence(b"0123456789abcdef", 0, 0),
    ],
    ids=["nothing", "no length", "no end of a length", "no literal", "no distance", "too far"],
)
def test_what_is_no_block_is_an_error(data: bytes) -> None:
    with pytest.raises(CodecError):
        codec.decode(data, LIMIT)


@pytest.mark.usefixtures("_decoder")
def test_a_bomb_stops_at_the_limit() -> None:
    bomb = sequence(b"x", 1, 64 << 20) + sequence(b"0123456789abcdef", 0, 0)
    with effort() as spent:
        with pytest.raises(CodecError):
            codec.decode(bomb, LIMIT)
        assert len(codec.salvage(bomb, LIMIT).text) <= LIMIT
    assert spent.units < 400


@given(st.binary(max_size=400), st.sampled_from([0, 10, LIMIT]))
@settings(max_examples=300)
def test_any_bytes_give_a_text_within_the_limit_or_an_error(data: bytes, limit: int) -> None:
    with suppress(CodecError):
        assert len(codec.decode(data, limit).text) <= limit
    with suppress(CodecError):
        assert len(own(data, limit)) <= limit
    remains = codec.salvage(data, limit)
    assert len(remains.text) + len(remains.rest) <= limit
    assert remains.used <= len(data)


@pytest.mark.parametrize(("data", "text"), SOME)
def test_a_cut_record_gives_all_text_up_to_the_cut(data: bytes, text: bytes) -> None:
    before = 0
    for cut in range(1, len(data), 41):
        remains = codec.salvage(data[:cut], LIMIT)
        assert text.startswith(remains.text)
        assert (remains.truncated, remains.used, remains.rest) == (True, cut, b"")
        assert len(remains.text) >= before
        before = len(remains.text)


@given(st.binary(max_size=200), st.integers(1, 50), st.data())
def test_a_cut_block_gives_a_prefix(text: bytes, times: int, data: st.DataObject) -> None:
    block = compress(text * times)
    cut = data.draw(st.integers(0, len(block)))
    assert (text * times).startswith(codec.salvage(block[:cut], LIMIT).text)


def test_a_cut_gives_the_literals_and_the_length_that_are_there() -> None:
    block = sequence(b"abcdefgh", 4, 1000) + sequence(b"0123456789", 0, 0)
    assert codec.salvage(block[:5], LIMIT).text == b"abcd"
    assert codec.salvage(block[:9], LIMIT).text == b"abcdefgh"
    assert (
        codec.salvage(block[:12], LIMIT).text == b"abcd" + b"efgh" * (1 + (19 + 255) // 4) + b"ef"
    )


def test_damage_in_the_middle_leaves_the_text_before_and_most_of_the_text_behind() -> None:
    rng = random.Random(2)
    pairs = []
    for data, text in SOME:
        damaged = flip(data, rng)
        with suppress(CodecError):
            codec.decode(damaged, LIMIT)
            continue
        pairs.append((text, codec.salvage(damaged, LIMIT)))
    certain, uncertain = shares(pairs)
    assert certain > 0.3
    assert uncertain > 0.1


@pytest.mark.parametrize("kind", ["random", "printable", "damaged"])
def test_the_salvage_of_64_kib_takes_a_second_or_two(kind: str) -> None:
    rng = random.Random(3)
    lines = b"".join(text for _, text in SOME)
    data = {
        "random": rng.randbytes(65536),
        "printable": bytes(rng.choices(lines, k=65536)),
        "damaged": flip(compress(bytes(rng.choices(lines, k=80000))), rng),
    }[kind]
    with effort() as spent:
        codec.salvage(data, LIMIT)
    assert spent.units < 400
