"""Real records to their text and their state."""

import random
import zlib

import pytest

from pstorefs.codecs.text import legible
from pstorefs.record import reading
from pstorefs.record.name import parse_name
from tests.records import Record, capture, captures, records, without_notice

ALL = records()
DECODABLE = [record for record in ALL if record.reference is not None]


def read(name: str, data: bytes) -> reading.Reading:
    parsed = parse_name(name)
    assert parsed is not None
    return reading.read(parsed, data)


@pytest.mark.parametrize("name", captures())
def test_every_record_with_a_reference_equals_it(name: str) -> None:
    """Byte for byte, whatever algorithm wrote it, and with its ECC notice."""
    wrong = [
        record.name
        for record in DECODABLE
        if record.capture == name and read(record.name, record.stored).text != record.reference
    ]
    assert not wrong


def test_states_of_the_corpus() -> None:
    """Each state has real records: decoded, damaged, plain here; the others in tests below."""
    states: dict[str, int] = {}
    for record in ALL:
        state = read(record.name, record.stored).state
        states[state] = states.get(state, 0) + 1
        unrecoverable = b" unrecoverable blocks\n" in record.stored[-60:]
        expected = reading.DECODED
        if unrecoverable and b" 0 unrecoverable blocks" not in record.stored[-60:]:
            expected = reading.DAMAGED
        assert state == expected, record
    assert states == {reading.DECODED: 719, reading.DAMAGED: 6}


def test_plain_records_pass_unchanged() -> None:
    for name in captures():
        for file, stored in capture(name).enc.items():
            if not file.endswith(".enc.z"):
                record = read(file, stored.data)
                assert record.text == stored.data
                assert record.state == reading.PLAIN, (name, file)


def test_garbage_that_a_kernel_took_for_text_is_suspect() -> None:
    """Linux 6.12 decompressed an LZ4 record as deflate and shows 8 bytes of garbage."""
    other = capture("ramoops-lz4hc-6.1.192-ecc").folders["other-6.12.107-deb13"]
    record = read("dmesg-ramoops-2", other["dmesg-ramoops-2"].data)
    assert record.state == reading.SUSPECT
    assert record.text == other["dmesg-ramoops-2"].data
    assert "header" in record.broken


def test_an_lz4_record_that_passes_as_deflate_is_read_as_lz4() -> None:
    stored = capture("ramoops-lz4hc-6.1.192-ecc").enc["dmesg-ramoops-2.enc.z"].data
    inflater = zlib.decompressobj(-15)
    inflater.decompress(without_notice(stored))
    assert inflater.eof, "the trap is no trap any more"
    assert read("dmesg-ramoops-2.enc.z", stored).compression == "lz4"


def test_damage_is_said_and_marked() -> None:
    """What salvage shows as certain is the text's true beginning; the rest stands behind a mark."""
    for record in ALL:
        if record.reference is not None or record.truth is None:
            continue
        shown = read(record.name, record.stored)
        assert shown.state == reading.DAMAGED
        assert record.truth.startswith(shown.text[: shown.certain_length]), record
        after = shown.text[shown.certain_length :].lstrip(b"\n")
        assert after.startswith(b"[pstorefs: ")
        assert shown.text.endswith(without_end(record.stored))


def without_end(data: bytes) -> bytes:
    """The ECC notice."""
    return data[len(without_notice(data)) :]


@pytest.mark.parametrize("share", [25, 50, 75])
def test_a_cut_record_shows_nothing_wrong_as_certain(share: int) -> None:
    for record in DECODABLE[::9]:
        payload = without_notice(record.stored)
        cut = payload[: len(payload) * share // 100]
        shown = read(record.name, cut)
        assert record.reference is not None
        assert shown.state in (reading.SALVAGED, reading.UNDECODABLE), record
        if shown.state == reading.SALVAGED:
            assert record.reference.startswith(shown.text[: shown.certain_length]), record
            used_of = f" of {len(cut)} bytes used]\n".encode()
            assert used_of in shown.text


def of_each_algorithm() -> list[Record]:
    chosen = {}
    for record in DECODABLE:
        chosen.setdefault(capture(record.capture).info["algorithm"], record)
    return list(chosen.values())


@pytest.mark.parametrize("seed", range(20))
def test_random_bytes_are_never_taken_for_a_record(seed: int) -> None:
    source = random.Random(seed)
    for _ in range(50):
        data = source.randbytes(source.randrange(600))
        for start in (b"", b"\x28\xb5\x2f\xfd", b"\x48\x89", b"\x02\x83", b"\xf0\x00", b"\x00\x20"):
            assert read("dmesg-erst-1.enc.z", start + data).state == reading.UNDECODABLE


def test_other_formats_are_never_taken_for_a_record() -> None:
    import bz2
    import gzip
    import lzma

    import lz4.block
    import zstandard

    text = b"<6>[    1.000000] no header line stands before this text\n" * 40
    header = b"Panic#1 Part1\n" + text
    for data in (
        gzip.compress(header),
        bz2.compress(header),
        lzma.compress(header),
        zlib.compress(text),
        zstandard.compress(text),
        lz4.block.compress(text, store_size=False),
        lz4.block.compress(header, store_size=True),
        zstandard.compress(header) + b"\0",
        zlib.compress(header) + b"x",
    ):
        assert read("dmesg-erst-1.enc.z", data).state != reading.DECODED


@pytest.mark.parametrize("record", of_each_algorithm(), ids=lambda record: record.capture)
def test_a_record_with_bytes_behind_it_is_not_called_whole(record: Record) -> None:
    payload = without_notice(record.stored)
    assert read(record.name, payload + b"\x01\x02\x03").state != reading.DECODED


def test_records_of_other_types_need_no_header() -> None:
    text = b"a user's own words, of no form that anybody knows\n" * 3
    shown = read("pmsg-ramoops-0.enc.z", zlib.compress(text))
    assert (shown.state, shown.text, shown.compression) == (reading.DECODED, text, "zlib")


@pytest.mark.parametrize("name", ["web1-dmesg-erst-1.enc.z", "rack-2-dmesg-ramoops-0.enc.z"])
def test_a_copy_called_after_its_host_is_salvaged_like_the_record(name: str) -> None:
    """Whoever collects records of many machines calls them so."""
    codecs = set()
    for record in {record.capture: record for record in DECODABLE}.values():
        cut = without_notice(record.stored)[: len(record.stored) * 3 // 4]
        known = read("dmesg-erst-1.enc.z", cut)
        assert read(name, cut) == known
        codecs.add(known.compression)
    assert {"deflate", "lz4", "lzo", "zstd"} <= codecs


def test_uncertain_text_commands_no_terminal() -> None:
    """C0, C1 in UTF-8 and alone, marks that turn text round; letters of all scripts stay."""
    doubtful = "\x1b[2J \x9b2J \x85 \u202e \u2066 \u2028 é中\t\n".encode() + b"\x9b\xff"
    shown = legible(doubtful).decode()
    assert shown == "�[2J �2J � � � � é中\t\n��"


def test_an_empty_file_is_no_text_of_a_dump() -> None:
    assert read("dmesg-erst-1.enc.z", b"").state == reading.UNDECODABLE
    assert read("dmesg-erst-1", b"").state == reading.SUSPECT
    assert read("console-ramoops-0", b"").state == reading.PLAIN
