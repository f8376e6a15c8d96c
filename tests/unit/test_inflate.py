"""Our own inflate, and how it goes on behind a break."""

import random
import zlib
from array import array

from hypothesis import given
from hypothesis import strategies as st

from pstorefs.codecs.base import UNKNOWN
from pstorefs.codecs.salvage.inflate import inflate_on, read_tokens
from pstorefs.codecs.salvage.lost_length import estimate_shifts
from pstorefs.codecs.salvage.tokens import HOLE, agreed, match, play, play_behind, render, split
from tests.records import records, without_notice

LIMIT = 1 << 20
TEXTS = sorted(
    {without_notice(r.reference) for r in records("deflate") if r.reference is not None},
    key=lambda text: len(zlib.compress(text)),
)
LARGEST = TEXTS[-1]


def compress(text: bytes, level: int, window: int, strategy: int, flush: int) -> bytes:
    compressor = zlib.compressobj(level, zlib.DEFLATED, -window, 8, strategy)
    half = len(text) // 2
    return (
        compressor.compress(text[:half])
        + compressor.flush(flush)
        + compressor.compress(text[half:])
        + compressor.flush()
    )


STREAMS = st.builds(
    compress,
    st.one_of(
        st.binary(max_size=3000),
        st.text("ab c\n", max_size=3000).map(str.encode),
        st.integers(0, 5000).map(lambda start: LARGEST[start : start * 2]),
        st.integers(0, 3000).map(bytes),
    ),
    st.integers(0, 9),
    st.integers(9, 15),
    st.sampled_from([zlib.Z_DEFAULT_STRATEGY, zlib.Z_HUFFMAN_ONLY, zlib.Z_RLE, zlib.Z_FIXED]),
    st.sampled_from([zlib.Z_NO_FLUSH, zlib.Z_SYNC_FLUSH, zlib.Z_FULL_FLUSH]),
)


def played(tokens: list[int]) -> bytes:
    text = bytearray()
    play(tokens, text, LIMIT)
    return bytes(text)


@given(STREAMS)
def test_it_reads_what_zlib_reads(data: bytes) -> None:
    tokens, behind = read_tokens(data)
    assert played(tokens) == zlib.decompress(data, -15)
    assert not behind


@given(STREAMS, st.data())
def test_it_breaks_off_where_zlib_does(data: bytes, choice: st.DataObject) -> None:
    damaged = bytearray(data)
    damaged[choice.draw(st.integers(0, len(data) - 1))] ^= choice.draw(st.integers(1, 255))
    decoder = zlib.decompressobj(-15)
    text = b""
    fails = False
    try:
        for place in range(len(damaged)):
            text += decoder.decompress(damaged[place : place + 1])
    except zlib.error:
        fails = True
    tokens, _ = read_tokens(bytes(damaged))
    own = played(tokens)
    assert own.startswith(text)
    # In the byte in which the break is there can be a few symbols more.
    assert len(own) - len(text) <= (8 * 258 if fails else 0)


def test_a_later_block_is_found_if_the_first_ones_codes_are_damaged() -> None:
    whole = zlib.compressobj(6, zlib.DEFLATED, -15, 5)
    data = bytearray(whole.compress(LARGEST) + whole.flush())
    data[1:40] = bytes(39)
    text, rest = inflate_on(bytes(data), LIMIT)
    assert text == b""
    assert len(rest) > 1000
    # What follows is lost only where it repeats the first block.
    words = rest.replace(UNKNOWN, b" ").split()
    assert sum(word in LARGEST for word in words) > len(words) * 0.9


@given(st.lists(st.one_of(st.integers(0, 256), st.tuples(st.integers(1, 99), st.integers(1, 300)))))
def test_a_known_shift_of_0_behind_a_break_is_plain_decoding(
    records: list[int | tuple[int, int]],
) -> None:
    tokens = [record if isinstance(record, int) else match(*record) for record in records]
    before = bytes(range(100))
    expected = list(before)
    for token in tokens:
        if token <= HOLE:
            expected.append(token)
        else:
            distance, length = split(token)
            for _ in range(length):
                expected.append(expected[-distance])
    out = play_behind(tokens, before, 0, LIMIT)
    assert list(before) + out.tolist() == expected


def test_a_shift_moves_matches_that_reach_across_the_break_only() -> None:
    tokens = [ord("x"), match(4, 2), match(2, 2)]
    # x, then two bytes of the text, then these again. If what is here is too much (-2), its
    # beginning is none: a match that seems to begin there begins in the text.
    assert bytes(play_behind(tokens, b"abcdef", 0, LIMIT).tolist()) == b"xdede"
    assert bytes(play_behind(tokens, b"abcdef", -2, LIMIT).tolist()) == b"xbcfc"
    assert play_behind(tokens, b"abcdef", 2, LIMIT).tolist() == [120, 102, HOLE, 102, HOLE]
    assert play_behind(tokens, b"abcdef", None, LIMIT).tolist() == [120] + [HOLE] * 4


def test_a_match_before_the_beginning_is_lost() -> None:
    assert play_behind([match(9, 4)], b"ab", 0, LIMIT).tolist() == [HOLE] * 4
    assert play_behind([match(3, 4)], b"ab", 0, LIMIT).tolist() == [HOLE, 97, 98, HOLE]


def test_what_versions_do_not_agree_on_is_a_hole() -> None:
    assert agreed([array("H", [1, 2, HOLE]), array("H", [1, 3, 4])]).tolist() == [1, HOLE, HOLE]


def test_long_runs_of_holes_are_shortened_and_the_limit_holds() -> None:
    out = array("H", [97] + [HOLE] * 5000 + [255] + [HOLE] * 2)
    assert render(out, LIMIT) == b"a" + UNKNOWN * 24 + b"\xff" + UNKNOWN * 2
    assert len(render(out, 30)) == 30


def length(token: int) -> int:
    return 1 if token <= HOLE else split(token)[1]


def test_the_shift_is_found_or_none_is_given() -> None:
    """Of a real text's tokens some are lost at a break, or literals come in addition."""
    tokens, _ = read_tokens(compress(LARGEST, 6, 15, 0, zlib.Z_NO_FLUSH))
    rng = random.Random(6)
    found = 0
    for _ in range(12):
        place = rng.randrange(1000, len(tokens) * 2 // 3)
        text = LARGEST[: sum(map(length, tokens[:place]))]
        behind = tokens[place:]
        shift = 0
        if rng.random() < 0.5:
            shift = -rng.randrange(300)
            behind = list(rng.randbytes(-shift)) + behind
        else:
            lost = rng.randrange(100)
            shift = sum(map(length, behind[:lost]))
            behind = behind[lost:]
        shifts = estimate_shifts(text, behind)
        assert shift in shifts or not shifts
        found += shift in shifts
    assert found > 8
