"""Each codec under its contract (pstorefs/codecs/base.py), and two decoders against each other.

An input is two bytes, little-endian, the limit of the text, and then the data.
"""

from __future__ import annotations

import random
import zlib
from collections.abc import Callable, Iterator
from types import ModuleType

import lz4.block as lz4_library
import zstandard

from pstorefs.codecs import deflate, lz4, lzo, nx842, zlibbed, zstd
from pstorefs.codecs.base import CodecError, Remains, Stream
from pstorefs.codecs.expand import Break
from pstorefs.codecs.salvage import inflate
from pstorefs.codecs.salvage.log_model import damage
from pstorefs.codecs.salvage.tokens import play
from pstorefs.codecs.salvage.zstd import salvage_frame
from pstorefs.codecs.zstd_frame import read_header
from tests.fuzz.target import Target
from tests.records import records, without_notice

_LIMIT_SIZE = 2
# The longest text that the records used as seeds hold is shorter.
_MOST = b"\xff\xff"
# zlib gives none of the symbols of the byte in which a break is: eight matches at most.
_SYMBOLS_KEPT_BACK = 8 * 258
# Symbols that our own inflate reads, far below its bound.
_SURELY_READ = 1 << 16
# What ends an LZ4 block is held to rules that concern the speed of decoders (block format, "End of
# block conditions"): at least so many literals, and the last match that far from the end.
_LAST_LITERALS, _LAST_MATCH = 5, 12
_NO_SEQUENCES = b"\x80\x00"  # a count of 0 in two bytes, where one would do

_LINES = b"".join(
    b"<%d>[ %4d.%06d] line %d of a log, fn_%d+0x%x/0x%x\n" % (n % 8, n, n * 7, n, n % 5, n, n * 2)
    for n in range(40)
)
_SHORT_TEXTS = (
    b"",
    b"a",
    b"Panic#1 Part1\n<4>[    1.000001] one line\n",
    b"Oops#2 Part1\n" + _LINES,
)


def decoded(codec: ModuleType, data: bytes, limit: int) -> Stream | None:
    """What decode gives, its part of the contract checked; None where it refuses."""
    try:
        stream: Stream = codec.decode(data, limit)
    except CodecError as error:
        clause(str(error))
        return None
    assert type(stream.text) is bytes
    assert len(stream.text) <= limit, "more text than allowed"
    assert 0 <= stream.used <= len(data), "used more than there is"
    return stream


def salvaged(codec: ModuleType, data: bytes, limit: int) -> Remains:
    """What salvage gives, its part of the contract checked."""
    remains: Remains = codec.salvage(data, limit)
    assert type(remains.text) is bytes
    assert type(remains.rest) is bytes
    assert len(remains.text) + len(remains.rest) <= limit, "more text than allowed"
    assert 0 <= remains.used <= len(data), "used more than there is"
    clause(remains.reason)
    return remains


def clause(words: str) -> None:
    """A message is a clause for people."""
    assert words, "no reason given"
    assert not words.endswith("."), words
    assert words.isprintable(), words


def contract(codec: ModuleType, data: bytes, limit: int) -> tuple[Stream | None, Remains]:
    """All that the contract says of one codec, whatever the format."""
    stream = decoded(codec, data, limit)
    remains = salvaged(codec, data, limit)
    if stream is None:
        return None, remains
    # The limit is exact, and what was used is the stream.
    size = len(stream.text)
    again = codec.decode(data[: stream.used], size + 8 * len(data) + 64)
    assert (again.text, again.used) == (stream.text, stream.used), "used is not the stream"
    if size:
        assert decoded(codec, data, size - 1) is None, "a text longer than the limit"
    if stream.used == len(data):
        assert remains.text == stream.text, "a whole stream is salvaged to something else"
        # Where nothing but the text can tell (LZ4, LZO, 842), strange text is taken for damage.
        assert not remains.rest or codec in (lz4, lzo, nx842), "something is left behind the end"
    if data:
        # A stream that was cut gives a beginning of its text, whatever else.
        cut = (limit * 7 + 3) % len(data)
        part = salvaged(codec, data[: min(cut, stream.used)], limit)
        assert stream.text.startswith(part.text), "a cut stream gives text that never was"
    return stream, remains


def _input(data: bytes) -> tuple[bytes, int]:
    return data[_LIMIT_SIZE:], int.from_bytes(data[:_LIMIT_SIZE], "little")


def check_deflate(raw: bytes) -> None:
    data, limit = _input(raw)
    stream, _ = contract(deflate, data, limit)
    assert stream == inflated_by_zlib(data, limit), "zlib-ng and zlib decode differently"
    compare_inflate(data, stream)


def inflated_by_zlib(data: bytes, limit: int) -> Stream | None:
    """What zlib makes of it alone; None: nothing whole."""
    decoder = zlib.decompressobj(-15)
    try:
        text = decoder.decompress(data, limit + 1)
    except zlib.error:
        return None
    whole = decoder.eof and len(text) <= limit
    return Stream(text, len(data) - len(decoder.unused_data)) if whole else None


def compare_inflate(data: bytes, stream: Stream | None) -> None:
    """Zlib and our own inflate see the same symbols."""
    decoder = zlib.decompressobj(-15)
    text, broken = bytearray(), False
    for at in range(len(data)):
        if decoder.eof or len(text) > _SURELY_READ:
            break
        try:
            text += decoder.decompress(data[at : at + 1])
        except zlib.error:
            broken = True
            break
    if len(text) > _SURELY_READ or not (decoder.eof or broken):
        return
    before, behind = inflate.read_tokens(data)
    own = bytearray()
    play(before, own, 2 * _SURELY_READ)
    if not broken:
        assert own == text, "zlib and our inflate decode differently"
        if stream is not None and stream.used == len(data):
            assert not behind, "our inflate sees a break in a whole stream"
    else:
        assert own.startswith(text), "our inflate gives other text before a break than zlib"
        assert len(own) <= len(text) + _SYMBOLS_KEPT_BACK, "our inflate misses a break"


def check_zlib(raw: bytes) -> None:
    data, limit = _input(raw)
    for whole in (data, b"\x48\x89" + data):
        stream, _ = contract(zlibbed, whole, limit)
        if stream is not None:
            assert stream.checked
            assert zlib.decompressobj().decompress(whole) == stream.text


def check_lzo(raw: bytes) -> None:
    data, limit = _input(raw)
    contract(lzo, data, limit)


def check_842(raw: bytes) -> None:
    data, limit = _input(raw)
    stream, _ = contract(nx842, data, limit)
    if stream is not None and not data.startswith(b"\xf8\x42"):
        assert stream.checked


def check_lz4(raw: bytes) -> None:
    data, limit = _input(raw)
    stream, _ = contract(lz4, data, limit)
    assert stream is None or stream.used == len(data)
    compare_lz4(data, limit, stream)


def compare_lz4(data: bytes, limit: int, stream: Stream | None) -> None:
    """The library and our own decoder take the same blocks, and make the same of them."""
    out = bytearray()
    try:
        used = lz4._expand(data, 0, out, limit)
    except Break as stop:
        assert stop.used <= len(data)
        assert len(out) <= limit
        assert stream is None, f"our decoder refuses what the library takes: {stop}"
        return
    assert len(out) <= limit
    assert used == len(data)
    if stream is not None:
        assert stream.text == out, "the library and our decoder decode differently"
    elif data:
        assert _ends_oddly(data) or len(out) > limit - _LAST_MATCH, "the library refuses a block"


def _ends_oddly(data: bytes) -> bool:
    """Whether a block's last sequences are such as no compressor may write."""
    at = text = literals_after = 0
    last_match = 0
    while at < len(data):
        literals, match, _, length, following = lz4._sequence(data, at)
        literals_after = min(match, len(data)) - literals
        text += literals_after
        if match >= len(data):
            break
        last_match = text
        text += length
        at = following
    return bool(last_match) and (literals_after < _LAST_LITERALS or text - last_match < _LAST_MATCH)


def check_zstd(raw: bytes) -> None:
    data, limit = _input(raw)
    for whole in (data, b"\x28\xb5\x2f\xfd" + data):
        stream, _ = contract(zstd, whole, limit)
        own = salvage_frame(whole, limit)
        assert len(own.text) + len(own.rest) <= limit
        if stream is not None and own.reason:
            assert "compressed blocks" in own.reason, f"ours refuses: {own.reason}"
        elif stream is not None:
            assert own.text == stream.text, "the library and our decoder decode differently"
        elif not own.reason:
            # Fed block by block, the library refuses empty RLE blocks of a frame without a text;
            # and that of zstd 1.5.4 wants more behind a count of no sequences in two bytes.
            header = read_header(whole, limit)
            known = header.has_checksum or _NO_SEQUENCES in whole
            assert known or not own.text, "ours takes what the library refuses"


# Streams made of a text: the first byte says how, the second where they are cut.


def _deflated(text: bytes, how: int) -> bytes:
    window = (11, 15)[how & 1]
    strategies = (zlib.Z_DEFAULT_STRATEGY, zlib.Z_HUFFMAN_ONLY, zlib.Z_RLE, zlib.Z_FIXED)
    maker = zlib.compressobj(how % 10, zlib.DEFLATED, -window, 1 + how % 9, strategies[how & 3])
    half = len(text) // 2
    flush = (zlib.Z_NO_FLUSH, zlib.Z_SYNC_FLUSH, zlib.Z_FULL_FLUSH)[how % 3]
    begin = maker.compress(text[:half]) + maker.flush(flush)
    return begin + maker.compress(text[half:]) + maker.flush()


def _zlibbed(text: bytes, how: int) -> bytes:
    maker = zlib.compressobj(how % 10, zlib.DEFLATED, (12, 15)[how & 1], 1 + how % 9)
    return maker.compress(text) + maker.flush()


def _lz4(text: bytes, how: int) -> bytes:
    mode = ("default", "fast", "high_compression")[how % 3]
    block: bytes = lz4_library.compress(text, mode=mode, store_size=False, compression=1 + how % 12)
    return block


def _zstd(text: bytes, how: int) -> bytes:
    parameters = zstandard.ZstdCompressionParameters.from_level(
        1 + how % 19,
        source_size=len(text),
        write_content_size=how & 1,
        write_checksum=how >> 1 & 1,
    )
    return zstandard.ZstdCompressor(compression_params=parameters).compress(text)


_MAKERS: tuple[tuple[ModuleType, Callable[[bytes, int], bytes]], ...] = (
    (deflate, _deflated),
    (zlibbed, _zlibbed),
    (lz4, _lz4),
    (zstd, _zstd),
)


def check_made(raw: bytes) -> None:
    """What a compressor makes of any text is decoded to that text, by each decoder there is."""
    if len(raw) < 4:
        return
    kind, how, place, change = raw[:4]
    text = raw[4:] * (1 + kind // 64 * 3)
    codec, make = _MAKERS[kind % len(_MAKERS)]
    data = make(text, how)
    limit = len(text) + 64
    stream, remains = contract(codec, data, limit)
    assert stream is not None, "a whole stream is refused"
    assert (stream.text, stream.used) == (text, len(data))
    if codec is zstd:
        own = salvage_frame(data, limit)
        assert (own.text, own.reason, own.rest) == (text, "", b""), own.reason
    elif codec is deflate:
        compare_inflate(data, stream)
    elif codec is lz4:
        compare_lz4(data, limit, stream)
    cut = len(data) * place // 256
    part = salvaged(codec, data[:cut], limit)
    assert text.startswith(part.text), "a cut stream gives text that never was"
    # LZ4 knows no ends: text that is no log's is taken for damage there.
    sure = part.truncated or (codec is lz4 and damage(part.text) < len(part.text))
    assert sure or not cut or part.text == text, f"a cut is no damage: {part.reason}"
    damaged = bytearray(data)
    damaged[cut % len(data)] ^= change
    decoded(codec, bytes(damaged), limit)
    remains = salvaged(codec, bytes(damaged), limit)
    if codec in (deflate, lz4):
        # Before the damage everything is as it was, and stands there.
        before = salvaged(codec, data[: cut % len(data)], limit)
        assert remains.text.startswith(before.text) or before.text.startswith(remains.text)


# Seeds.


def _real(algorithm: str) -> Iterator[bytes]:
    """Some records of a format as stored: small ones, some of the usual size, cut, damaged."""
    every = {without_notice(record.stored) for record in records(algorithm)}
    stored = sorted(every, key=lambda data: (len(data), data))
    rng = random.Random(1)
    some = [*stored[:4], *stored[:: max(1, len(stored) // 4)]]
    yield from some
    for data in stored[:3]:
        yield data[: len(data) // 2]
        damaged = bytearray(data)
        for at in rng.sample(range(len(data) // 3, len(data)), 5):
            damaged[at] ^= rng.randrange(1, 256)
        yield bytes(damaged)


def _seeds(
    *algorithms: str, make: Callable[[bytes, int], bytes] | None = None
) -> Callable[[], Iterator[bytes]]:
    def seeds() -> Iterator[bytes]:
        for algorithm in algorithms:
            yield from (_MOST + data for data in _real(algorithm))
        if make is not None:
            yield from (_MOST + make(text, how) for text in _SHORT_TEXTS for how in range(0, 12, 3))

    return seeds


def _zlib_seeds() -> Iterator[bytes]:
    texts = [r.reference for r in records("deflate") if r.reference is not None]
    for text in sorted(texts, key=len)[:6]:
        maker = zlib.compressobj(6, zlib.DEFLATED, 12, 4)
        yield _MOST + maker.compress(text) + maker.flush()
    yield from (_MOST + _zlibbed(text, how) for text in _SHORT_TEXTS for how in range(4))


def _small_lzo() -> Iterator[bytes]:
    from tests.unit.test_codec_lzo import written

    yield from _seeds("lzo")()
    for seed in range(12):
        yield _MOST + bytes(written(random.Random(seed), 3 * seed).data) + b"\x11\x00\x00"


def _small_842() -> Iterator[bytes]:
    from tests.unit.test_codec_842 import written

    yield from _seeds("842")()
    yield from (_MOST + written(seed, 3 * seed + 1)[0] for seed in range(12))


def _made_seeds() -> Iterator[bytes]:
    for kind in range(8):
        for text in _SHORT_TEXTS:
            yield bytes([kind * 33 % 256, kind * 5, 128, 16]) + text


TARGETS = (
    Target("deflate", check_deflate, _seeds("deflate", make=_deflated), share=3),
    Target("lzo", check_lzo, _small_lzo, (b"\x11\0\0",), share=3),
    Target("lz4", check_lz4, _seeds("lz4", "lz4hc", make=_lz4), share=3),
    Target("842", check_842, _small_842, (b"\xf8\x42",), share=3),
    Target("zstd", check_zstd, _seeds("zstd", make=_zstd), (b"\x28\xb5\x2f\xfd",), share=3),
    Target("zlib", check_zlib, _zlib_seeds, (b"\x48\x89", b"\x78\x9c")),
    Target("made", check_made, _made_seeds),
)
