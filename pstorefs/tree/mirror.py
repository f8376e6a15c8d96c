"""The mirror: every file of the source under its plain name, compressed records as their text.

===================== ============================== ==========================================
in the source         in the mount                   content
===================== ============================== ==========================================
X.enc.z, a record     X                              its text (see `pstorefs.record.reading`)
the same, undecodable X.enc.z                        as stored
X.enc.z beside an X   X.enc.z                        as stored: X has the plain name already
anything else         the same name                  as it is; folders are mirrored in turn
===================== ============================== ==========================================
"""

from __future__ import annotations

import errno
import itertools
import os
import threading
from collections.abc import Callable, Container

from pstorefs.catalog.textcache import TextShelf
from pstorefs.record.name import ENCODED, Name, parse_name
from pstorefs.record.shown import shown, stored
from pstorefs.source.directory import SNAPSHOT_LIMIT, Stamp, Store, has_changed
from pstorefs.tree.node import (
    Access,
    Attributes,
    Directory,
    File,
    Link,
    Node,
    Opened,
    Snapshot,
    Special,
    StaleError,
)

# Codecs that take longer than handing the work to a thread does, per record.
_SLOW = ("lzo", "842", "zstd")
# Reads of a record that is written anew each time; a writer without pause hits one in twenty.
_TRIES = 4
# Keys of the text cache: never used again, as the address of a node would be.
_SERIALS = itertools.count()
_AS_THE_SOURCE = Access()
# Of a record that nobody asked for yet: they are made once, when it is ready.
_NOT_YET = Attributes(0, 0, 0, 0, 0)


class Mirror:
    """What all nodes of one mirror share."""

    def __init__(
        self,
        store: Store,
        access: Access = _AS_THE_SOURCE,
        *,
        remove: Callable[[str], None] | None = None,
    ) -> None:
        self.store = store
        self.access = access
        self.texts = TextShelf()
        #: One record is decoded at a time: pure Python decoders would only take turns anyway.
        self.decoding = threading.Lock()
        #: rm of a record, given its path in the source. None: not permitted.
        self.remove = remove

    def root(self, *, renamed: bool = False) -> MirrorDirectory:
        """The root of the tree. `renamed`: virtual places stand beside it, see reserved.shown."""
        return MirrorDirectory(self, (), self.store.stamp(()), renamed=renamed)


class MirrorFile(File):
    """A file shown as it is stored."""

    __slots__ = ("file", "folder", "mirror", "stamp")

    def __init__(
        self,
        mirror: Mirror,
        folder: tuple[str, ...],
        file: str,
        stamp: Stamp,
        attributes: Attributes | None = None,
    ) -> None:
        super().__init__(attributes or mirror.access.attributes(stamp))
        self.mirror = mirror
        self.folder = folder
        self.file = file
        self.stamp = stamp

    @property
    def slow(self) -> bool:
        """See `Node`."""
        return self.mirror.store.patient

    def open(self) -> Opened:
        """See `File`."""
        store = self.mirror.store
        try:
            if self.stamp.size <= SNAPSHOT_LIMIT:
                return Snapshot(store.read(self.folder, self.file, self.stamp))
            return _Direct(store, store.open(self.folder, self.file, self.stamp), self.stamp)
        except OSError as error:
            raise _answer(error) from error

    def check(self) -> None:
        """`StaleError` unless the source still holds this very file."""
        try:
            now = self.mirror.store.stamp(self.folder, self.file)
        except OSError as error:
            raise _answer(error) from error
        if now != self.stamp:
            raise StaleError


class MeasuredFile(MirrorFile):
    """A file of pstore whose st_size is not what reading it gives: ftrace records."""

    __slots__ = ("_ready",)

    def __init__(self, mirror: Mirror, folder: tuple[str, ...], file: str, stamp: Stamp) -> None:
        super().__init__(mirror, folder, file, stamp)
        self._ready = False

    @property
    def ready(self) -> bool:
        """See `Node`."""
        return self._ready

    def prepare(self) -> None:
        """See `Node`."""
        try:
            size = len(self.mirror.store.read(self.folder, self.file, self.stamp))
            self.attributes = self.mirror.access.attributes(self.stamp, size)
        except OSError:
            pass  # whoever opens it is told
        self._ready = True


class RecordFile(MirrorFile):
    """A record that the kernel left compressed, shown as text."""

    __slots__ = ("_ready", "failed", "gone", "legible", "name", "quick", "serial")

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
        self.serial = next(_SERIALS)
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
        text = self.mirror.texts.take(self.serial)
        if text is not None:
            self.check()
            return Snapshot(text)
        try:
            data = self.mirror.store.read(self.folder, self.file, self.stamp)
        except OSError as error:
            raise _answer(error) from error
        return _Undecoded(self.name, data, slow=not self.quick)

    def _decode_current(self) -> int | None:
        """As `_decode`; of a record that was written anew since it was listed, as it is now."""
        for _ in range(_TRIES):
            try:
                return self._decode()
            except MemoryError:
                self.mirror.texts.clear()
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
        data = self.mirror.store.read(self.folder, self.file, self.stamp)
        record = reading.read(self.name, data)
        if record.state == reading.UNDECODABLE:
            return None
        self.quick = record.state == reading.DECODED and record.compression not in _SLOW
        self.mirror.texts.put(self.serial, record.text)
        # Last: what is legible has the size of its text.
        self.legible = True
        return len(record.text)


class MirrorLink(Link):
    """A symbolic link of the source, with its own target."""

    __slots__ = ("file", "folder", "mirror", "stamp")

    def __init__(self, mirror: Mirror, folder: tuple[str, ...], file: str, stamp: Stamp) -> None:
        super().__init__(mirror.access.attributes(stamp))
        self.mirror = mirror
        self.folder = folder
        self.file = file
        self.stamp = stamp

    def target(self) -> str:
        """See `Link`."""
        try:
            return self.mirror.store.readlink(self.folder, self.file)
        except OSError as error:
            raise _answer(error) from error


class MirrorSpecial(Special):
    """A FIFO, socket or device of the source."""

    __slots__ = ("stamp",)

    def __init__(self, mirror: Mirror, stamp: Stamp) -> None:
        super().__init__(mirror.access.attributes(stamp))
        self.stamp = stamp


class MirrorDirectory(Directory):
    """A folder of the source."""

    __slots__ = ("_children", "_renamed", "folder", "mirror", "stamp")

    def __init__(
        self,
        mirror: Mirror,
        folder: tuple[str, ...],
        stamp: Stamp,
        *,
        renamed: bool = False,
    ) -> None:
        super().__init__(mirror.access.attributes(stamp))
        self.mirror = mirror
        self.folder = folder
        self.stamp = stamp
        self._renamed = renamed
        self._children: dict[str, Node] = {}

    @property
    def slow(self) -> bool:
        """See `Node`. If so, several threads may be here: each finds a node that will do."""
        return self.mirror.store.patient

    def look(self) -> Attributes:
        """See `Directory`."""
        if not self.folder:
            self.mirror.store.refresh()
        try:
            self.stamp = self.mirror.store.stamp(self.folder)
        except OSError as error:
            raise _answer(error) from error
        if not self.stamp.is_directory:
            raise StaleError
        self.attributes = self.mirror.access.attributes(self.stamp)
        return self.attributes

    def names(self) -> list[tuple[str, Node]]:
        """See `Directory`."""
        if not self.folder:
            self.mirror.store.refresh()
        try:
            found = self.mirror.store.scan(self.folder)
        except OSError as error:
            raise _answer(error) from error
        for gone in self._children.keys() - found.keys():
            self._children.pop(gone, None)
        return [
            (self._shown(file), self._child(file, stamp, found)) for file, stamp in found.items()
        ]

    def lookup(self, name: str) -> Node | None:
        """See `Directory`."""
        if not self.folder:
            self.mirror.store.refresh()
        file = self._source_name(name)
        if file is None:
            return None
        stamp = self._stamp(file)
        if stamp is None:
            # Not there as it is: perhaps as a compressed record.
            file += ENCODED
            stamp = self._stamp(file)
            if stamp is None or parse_name(file) is None or not stamp.is_file:
                self._children.pop(file, None)
                return None
            return self._child(file, stamp, ())
        plain = file.removesuffix(ENCODED)
        beside = (plain,) if plain != file and self._stamp(plain) else ()
        return self._child(file, stamp, beside)

    def remove(self, name: str) -> None:
        """See `Directory`."""
        file = self._source_name(name)
        remove = self.mirror.remove
        if remove is None or file is None:
            super().remove(name)
            return
        file = next((each for each in (file, file + ENCODED) if self._stamp(each)), None)
        if file is None:
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), name)
        remove("/".join((*self.folder, file)))

    def settle(self, name: str, node: Node) -> tuple[str, Node] | None:
        """See `Directory`."""
        if isinstance(node, RecordFile):
            return None if node.gone else (node.shown_name, node)
        return name, node

    def _stamp(self, file: str) -> Stamp | None:
        try:
            return self.mirror.store.stamp(self.folder, file)
        except OSError as error:
            if error.errno in (errno.ENOENT, errno.ENOTDIR, errno.ENAMETOOLONG, errno.EINVAL):
                return None
            raise

    def _child(self, file: str, stamp: Stamp, beside: Container[str]) -> Node:
        """The node of a source file: the one there is, if it still holds."""
        known = self._children.get(file)
        # Almost always: nothing has changed.
        if isinstance(known, RecordFile):
            if known.stamp == stamp and not known.failed and known.name.plain not in beside:
                return known
        elif isinstance(known, MirrorFile) and known.stamp == stamp and not file.endswith(ENCODED):
            return known
        name = parse_name(file) if stamp.is_file else None
        as_record = name is not None and name.encoded and name.plain not in beside
        if isinstance(known, MirrorDirectory):
            if stamp.is_directory and stamp.inode == known.stamp.inode:
                if stamp != known.stamp:
                    known.stamp, known.entry = stamp, None
                    known.attributes = self.mirror.access.attributes(stamp)
                return known
        elif known is not None and _stamp_of(known) == stamp:
            is_record = isinstance(known, RecordFile)
            if is_record == as_record and not (isinstance(known, RecordFile) and known.failed):
                return known
        node = self._make(file, stamp, name if as_record else None)
        self._children[file] = node
        return node

    def _make(self, file: str, stamp: Stamp, encoded: Name | None) -> Node:
        mirror, folder = self.mirror, self.folder
        if encoded is not None:
            return RecordFile(mirror, folder, file, stamp, encoded)
        if stamp.is_directory:
            return MirrorDirectory(mirror, (*folder, file), stamp)
        if stamp.is_link:
            return MirrorLink(mirror, folder, file, stamp)
        if not stamp.is_file:
            return MirrorSpecial(mirror, stamp)
        if mirror.store.is_pstore and file.startswith("ftrace-"):
            return MeasuredFile(mirror, folder, file, stamp)
        return MirrorFile(mirror, folder, file, stamp)

    def _shown(self, file: str) -> str:
        return shown(file) if self._renamed else file

    def _source_name(self, name: str) -> str | None:
        return stored(name) if self._renamed else name


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


class _Direct:
    """An open file too large to be kept in memory. Ends with EIO if it is changed meanwhile."""

    __slots__ = ("_descriptor", "_stamp", "_store", "slow")

    def __init__(self, store: Store, descriptor: int, stamp: Stamp) -> None:
        self._store = store
        self._descriptor = descriptor
        self._stamp = stamp
        self.slow = store.patient

    def read(self, offset: int, size: int) -> bytes:
        """See `Opened`."""
        data, stamp = self._store.pread(self._descriptor, size, offset)
        if stamp != self._stamp:
            raise OSError(errno.EIO, "the file changed while it was read")
        return data

    def close(self) -> None:
        """See `Opened`."""
        os.close(self._descriptor)


def _answer(error: OSError) -> OSError:
    """What to tell the kernel: that the name is to be looked up again, or the error itself."""
    return StaleError() if has_changed(error) else error


def _stamp_of(node: Node) -> Stamp | None:
    return getattr(node, "stamp", None)
