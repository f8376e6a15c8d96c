"""A record that the kernel left compressed, shown as text."""

from __future__ import annotations

import enum
import errno
from typing import TYPE_CHECKING

from pstorefs.record.name import Name
from pstorefs.source.stamp import Stamp, has_changed
from pstorefs.tree.mirror import Mirror, MirrorFile, answer
from pstorefs.tree.node import DECODE, QUICK, Lane, Opened, Snapshot
from pstorefs.tree.rights import Attributes

if TYPE_CHECKING:
    from collections.abc import Callable

    from pstorefs.record.reading import Reading

# Reads of a record that is written anew each time; a writer without pause hits one in twenty.
_TRIES = 4
# Of a record that nobody asked for yet: they are made once, when it is found.
_NOT_YET = Attributes(0, 0, 0, 0, 0)


class State(enum.Enum):
    """What is known of a record."""

    UNKNOWN = enum.auto()
    #: It is shown as its text, and decoding that takes no time, or some.
    TEXT = enum.auto()
    SLOW_TEXT = enum.auto()
    #: It cannot be decoded, and is shown as it is stored.
    STORED = enum.auto()
    #: It could not be read: as STORED, until the next listing or look-up.
    FAILED = enum.auto()


_LEGIBLE = (State.TEXT, State.SLOW_TEXT)


class RecordFile(MirrorFile):
    """A record that the kernel left compressed."""

    __slots__ = ("name", "state")

    def __init__(
        self, mirror: Mirror, folder: tuple[str, ...], file: str, stamp: Stamp, name: Name
    ) -> None:
        super().__init__(mirror, folder, file, stamp, _NOT_YET)
        self.name = name
        self.state = State.UNKNOWN

    @property
    def lane(self) -> Lane:
        """See `Node`."""
        return DECODE if self.state is State.UNKNOWN else self.mirror.lane

    @property
    def fresh(self) -> bool:
        """See `Node`."""
        return self.state is not State.UNKNOWN

    @property
    def shown_name(self) -> str:
        """Its name in the mount, once it is found."""
        return self.name.plain if self.state in _LEGIBLE else self.file

    def find(self) -> Attributes:
        """See `Node`. A record that cannot be read is shown as stored; opening it says why.

        MemoryError if there is none even without the texts that wait: nothing is known then.
        """
        try:
            self._find()
        except FileNotFoundError:
            raise
        except OSError:
            self._know(State.FAILED, self.stamp)
        except MemoryError:
            self.mirror.decoded.clear()
            self._find()
        return self.attributes

    def _find(self) -> None:
        """Read and decode it; if it was written anew since it was listed, as it is now."""
        stamp = self.stamp
        for tries_left in reversed(range(_TRIES + 1)):
            try:
                state, size = self._decoded(stamp)
            except OSError as error:
                if not (has_changed(error) and tries_left):
                    raise
                # Nobody has seen its attributes yet: it may still become another.
                stamp = self.mirror.store.stamp(self.folder, self.file)
                if not stamp.is_file:
                    raise FileNotFoundError(errno.ENOENT, "not a file now", self.file) from error
            else:
                self._know(state, stamp, size)
                return

    def _decoded(self, stamp: Stamp) -> tuple[State, int | None]:
        """How it is shown, and the size of its text."""
        # At the moment of need: a mount is ready before the first record is decoded.
        from pstorefs.codecs import detect
        from pstorefs.record import reading

        if stamp.size > detect.MAX_INPUT:  # more than any record has
            return State.STORED, None
        record = self._reading(stamp, reading.read)
        if record.state == reading.UNDECODABLE:
            return State.STORED, None
        quick = record.state == reading.DECODED and not detect.is_slow(record.compression)
        return State.TEXT if quick else State.SLOW_TEXT, len(record.text)

    def _reading(self, stamp: Stamp, read: Callable[[Name, bytes], Reading]) -> Reading:
        """What its bytes say."""
        key, decoded = (self.file, stamp), self.mirror.decoded
        kept = decoded.get(key)
        if kept is not None:
            return kept[1]
        data = self.mirror.store.read(self.folder, self.file, stamp)
        with self.mirror.decoding:
            kept = decoded.get(key)  # another thread may have been quicker
            if kept is not None:
                return kept[1]
            record = read(self.name, data)
            decoded.put(key, data, record)
        return record

    def _know(self, state: State, stamp: Stamp, size: int | None = None) -> None:
        """Freeze it, unless it is. `size`: of its text."""
        with self.mirror.freezing:
            if not self.fresh:
                self.stamp = stamp
                self.attributes = self.mirror.access.attributes(stamp, size)
                self.state = state  # last: other threads look at it without the lock

    def open(self) -> Opened:
        """See `File`."""
        if self.state not in _LEGIBLE:
            return super().open()
        text = self.mirror.decoded.take((self.file, self.stamp))
        if text is not None:
            self.check_current()
            return Snapshot(text)
        try:
            data = self.mirror.store.read(self.folder, self.file, self.stamp)
        except OSError as error:
            raise answer(error) from error
        return _Undecoded(self.name, data, QUICK if self.state is State.TEXT else DECODE)


class _Undecoded:
    """An open record. It is decoded when somebody reads: mostly the kernel has its pages already.

    The stored bytes are those of the moment of `open`, so it does not matter when that is.
    """

    __slots__ = ("_data", "_name", "_text", "lane")

    def __init__(self, name: Name, data: bytes, lane: Lane) -> None:
        self._name = name
        self._data = data
        self._text: bytes | None = None
        self.lane = lane

    def read(self, offset: int, size: int) -> bytes:
        """See `Opened`. By two threads at once, it is decoded twice."""
        if self._text is None:
            from pstorefs.record import reading

            self._text = reading.read(self._name, self._data).text
            self.lane = QUICK
        return self._text[offset : offset + size]

    def close(self) -> None:
        """See `Opened`."""
