"""A record that the kernel left compressed, shown as text."""

from __future__ import annotations

import errno

from pstorefs.record.name import Name
from pstorefs.source.directory import Stamp, has_changed
from pstorefs.tree.mirror import Mirror, MirrorFile, answer
from pstorefs.tree.node import Opened, Snapshot
from pstorefs.tree.rights import Attributes

# Codecs that take longer than handing the work to a thread does, per record.
_SLOW = ("lzo", "842", "zstd")
# Reads of a record that is written anew each time; a writer without pause hits one in twenty.
_TRIES = 4
# Of a record that nobody asked for yet: they are made once, when it is ready.
_NOT_YET = Attributes(0, 0, 0, 0, 0)


class RecordFile(MirrorFile):
    """A record that the kernel left compressed, shown as text."""

    __slots__ = ("_ready", "failed", "gone", "legible", "name", "quick")

    def __init__(
        self, mirror: Mirror, folder: tuple[str, ...], file: str, stamp: Stamp, name: Name
    ) -> None:
        super().__init__(mirror, folder, file, stamp, _NOT_YET)
        self.name = name
        #: Once it is ready: whether there is a text, and whether decoding it takes no time.
        self.legible = False
        self.quick = False
        #: Looked for again with the next listing; and whether it is not to be seen in this one.
        self.failed = False
        self.gone = False
        self._ready = False

    @property
    def ready(self) -> bool:
        """See `Node`."""
        return self._ready

    @property
    def shown_name(self) -> str:
        """The name it goes by, once it is ready."""
        return self.name.plain if self.legible else self.file

    def prepare(self) -> None:
        """See `Node`. A record that cannot be read stays what it is; opening it says why.

        MemoryError if there is none even without the texts that wait: nothing is known then.
        """
        with self.mirror.decoding:
            if self._ready:
                return
            size = None
            try:
                size = self._decode_current()
            except MemoryError:
                raise
            except FileNotFoundError:
                self.failed = self.gone = True
            except OSError:
                self.failed = True
            self.attributes = self.mirror.access.attributes(self.stamp, size)
            self._ready = True

    def open(self) -> Opened:
        """See `File`."""
        if not self.legible:
            return super().open()
        text = self.mirror.decoded.take((self.file, self.stamp))
        if text is not None:
            self.check()
            return Snapshot(text)
        try:
            data = self.mirror.store.read(self.folder, self.file, self.stamp)
        except OSError as error:
            raise answer(error) from error
        return _Undecoded(self.name, data, slow=not self.quick)

    def _decode_current(self) -> int | None:
        """As `_decode`; of a record that was written anew since it was listed, as it is now."""
        for _ in range(_TRIES):
            try:
                return self._decode()
            except MemoryError:
                self.mirror.decoded.clear()
                break
            except OSError as error:
                if not has_changed(error):
                    raise
                # Nobody was told its attributes yet: it may still become another.
                self.stamp = self.mirror.store.stamp(self.folder, self.file)
                if not self.stamp.is_file:
                    raise FileNotFoundError(errno.ENOENT, "not a file now", self.file) from error
        return self._decode()

    def _decode(self) -> int | None:
        """The size of the text; None if there is none."""
        # At the moment of need: a mount is ready before the first record is decoded.
        from pstorefs.codecs import detect
        from pstorefs.record import reading

        if self.stamp.size > detect.MAX_INPUT:
            return None
        key = self.file, self.stamp
        kept = self.mirror.decoded.get(key)
        if kept is None:
            data = self.mirror.store.read(self.folder, self.file, self.stamp)
            record = reading.read(self.name, data)
            self.mirror.decoded.put(key, data, record)
        else:
            record = kept[1]
        if record.state == reading.UNDECODABLE:
            return None
        self.quick = record.state == reading.DECODED and record.compression not in _SLOW
        # Last: what is legible has the size of its text.
        self.legible = True
        return len(record.text)


class _Undecoded:
    """An open record. It is decoded when somebody reads: mostly the kernel has its pages already.

    The stored bytes are those of the moment of `open`, so that it matters not when that is.
    """

    __slots__ = ("_data", "_name", "_text", "slow")

    def __init__(self, name: Name, data: bytes, slow: bool) -> None:
        self._name = name
        self._data = data
        self._text: bytes | None = None
        self.slow = slow

    def read(self, offset: int, size: int) -> bytes:
        """See `Opened`. By two threads at once, it is decoded twice."""
        if self._text is None:
            from pstorefs.record import reading

            self._text = reading.read(self._name, self._data).text
            self.slow = False
        return self._text[offset : offset + size]

    def close(self) -> None:
        """See `Opened`."""
