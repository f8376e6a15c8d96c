"""Records for the soak: those of the corpus, and variations of them that are like no other."""

from __future__ import annotations

import itertools
import random
import re
import threading
import zlib
from dataclasses import dataclass, field

import lz4.block
import zstandard

from pstorefs.record import reading
from pstorefs.record.name import parse_name
from tests import records

_HEADER = re.compile(rb"\A\w+#\d+ Part\d+\n")
_REASONS = ("Panic", "Oops", "Emergency")


def _deflate(text: bytes) -> bytes:
    packer = zlib.compressobj(wbits=-12)
    return packer.compress(text) + packer.flush()


_PACKERS = {
    "deflate": _deflate,
    "zlib": zlib.compress,
    "lz4": lambda text: bytes(lz4.block.compress(text, store_size=False)),
    "zstd": lambda text: zstandard.ZstdCompressor().compress(text),
}


@dataclass(frozen=True)
class Content:
    """One record: its name in the source and in the mount, its bytes there and there."""

    name: str
    shown: str
    stored: bytes = field(repr=False)
    text: bytes = field(repr=False)


class Supply:
    """Makes records. No two have one name, but those of `slot`; no two are the same."""

    def __init__(self) -> None:
        self._known = [
            (record.stored, record.reference)
            for record in records.records()
            if record.reference is not None
            and "ecc" not in record.capture
            and _HEADER.match(record.reference)
        ]
        assert len(self._known) > 500
        self._numbers = itertools.count(1)
        self._lock = threading.Lock()

    def number(self) -> int:
        """One that nobody has had."""
        with self._lock:
            return next(self._numbers)

    def crash(self, rng: random.Random) -> list[Content]:
        """The one to three parts of a crash, compressed in one way, or not at all."""
        count, backend = rng.choice((1, 1, 2, 3)), rng.choice(("erst", "erst", "efi_pstore"))
        serial, reason = self.number(), rng.choice(_REASONS)
        packer = rng.choice((*_PACKERS, ""))
        found = []
        for part in range(1, count + 1):
            # A crash every ten minutes since 2001: far enough from each other to be apart.
            second = 10**9 + serial * 600
            number = (second << 32) + part
            if backend == "efi_pstore":
                number = (second * 100 + part) * 1000 + 1
            text = self._text(rng, f"{reason}#1 Part{part}\n".encode(), serial)
            found.append(_packed(f"dmesg-{backend}-{number}", text, packer))
        return found

    def corpus(self, rng: random.Random) -> Content:
        """A record of a real kernel under a new id."""
        stored, text = rng.choice(self._known)
        name = f"dmesg-erst-{((10**9 + self.number() * 600) << 32) + 1}"
        return Content(f"{name}.enc.z", name, stored, text)

    def slot(self, rng: random.Random, number: int) -> Content:
        """A record of a backend that uses its names again."""
        text = self._text(rng, b"Panic#1 Part1\n", self.number())
        return _packed(f"dmesg-ramoops-{number}", text, rng.choice(("deflate", "lz4")))

    def broken(self, rng: random.Random) -> Content:
        """A record that was cut, or is no record at all."""
        whole = self.corpus(rng)
        stored = whole.stored[: rng.randrange(60, len(whole.stored))]
        if rng.random() < 0.3:
            stored = b"\xff" * 9 + rng.randbytes(rng.randrange(20, 2000))
        name = parse_name(whole.name)
        assert name is not None
        read = reading.read_encoded(name, stored)
        shown = whole.name if read.state == reading.UNDECODABLE else whole.shown
        return Content(whole.name, shown, stored, read.text)

    def _text(self, rng: random.Random, header: bytes, serial: int) -> bytes:
        body = _HEADER.sub(b"", rng.choice(self._known)[1], count=1)
        return header + body + f"<6>[99999.000000] soak: serial {serial}\n".encode()


def _packed(name: str, text: bytes, packer: str) -> Content:
    if not packer:
        return Content(name, name, text, text)
    return Content(f"{name}.enc.z", name, _PACKERS[packer](text), text)
