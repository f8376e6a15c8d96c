"""A folder of the source, with each of its files under the name that it is shown by."""

from __future__ import annotations

import errno
import os
from collections.abc import Container

from pstorefs.record.name import ENCODED, Name, parse_name
from pstorefs.record.shown import encoded, held, shown, stored
from pstorefs.source.stamp import Stamp
from pstorefs.tree.mirror import MeasuredFile, Mirror, MirrorFile, MirrorLink, MirrorSpecial, answer
from pstorefs.tree.node import Directory, Lane, Node, StaleError
from pstorefs.tree.record_file import RecordFile, State
from pstorefs.tree.rights import Attributes


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
    def lane(self) -> Lane:
        """See `Node`. Several threads may be here: each finds a node that will do."""
        return self.mirror.lane

    def find(self) -> Attributes:
        """See `Node`."""
        if not self.folder:
            self.mirror.store.refresh()
        try:
            self.stamp = self.mirror.store.stamp(self.folder)
        except OSError as error:
            raise answer(error) from error
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
            raise answer(error) from error
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
            record = encoded(file)
            stamp = self._stamp(record) if record else None
            if record is None or stamp is None or not stamp.is_file:
                self._children.pop(record or file, None)
                return None
            return self._child(record, stamp, ())
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
        file = held(file, lambda each: self._stamp(each) is not None)
        if file is None:
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), name)
        remove("/".join((*self.folder, file)))

    def settle(self, name: str, node: Node) -> tuple[str, Node] | None:
        """See `Directory`."""
        if isinstance(node, RecordFile):
            return (node.shown_name, node) if node.fresh else None
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
            holds = known.stamp == stamp and known.state is not State.FAILED
            if holds and known.name.plain not in beside:
                return known
        elif isinstance(known, MirrorFile) and known.stamp == stamp and not file.endswith(ENCODED):
            return known
        name = parse_name(file) if stamp.is_file else None
        as_record = name is not None and name.encoded and name.plain not in beside
        if isinstance(known, MirrorDirectory):
            if stamp.is_directory and stamp.inode == known.stamp.inode:
                if stamp != known.stamp:
                    known.stamp = stamp
                    known.attributes = self.mirror.access.attributes(stamp)
                return known
        elif known and not (as_record or isinstance(known, RecordFile)) and _is_of(known, stamp):
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


def mirrored(mirror: Mirror, *, renamed: bool = False) -> MirrorDirectory:
    """The root of a mirror. `renamed`: virtual places are beside it, see record.shown."""
    return MirrorDirectory(mirror, (), mirror.store.stamp(()), renamed=renamed)


def _is_of(node: Node, stamp: Stamp) -> bool:
    return getattr(node, "stamp", None) == stamp
