"""summary.json of an archived dump: its size is known before it is composed.

What it says is in the archive, but for who reads it; the archive's index has the size of the rest.
So a look-up reads nothing, and 10,000 of them are composed once each, when they are read, and not
at their look-up as well. An index may be wrong: `open` composes what is shown, and where that is of
another size, the next look-up composes it, too.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import NamedTuple

from pstorefs.tree.composed import ComposedFile
from pstorefs.tree.node import QUICK, Lane, Opened, StaleError
from pstorefs.tree.rights import Attributes, Owner


class Foretold(NamedTuple):
    """What is known of a file that is not composed."""

    size: int
    #: While this is the same, so is its content.
    version: object


class ForetoldFile(ComposedFile):
    """A composed file of which the size may be known before.

    ``foretell`` says it, or None: then it has to be composed. ``spoil``: it was not right.
    ``is_known``: whether `foretell` and `owner` have nothing to look at. ``lasts``: see `Node`.
    """

    __slots__ = ("_foretell", "_is_known", "_lasts", "_next", "_spoil")

    def __init__(
        self,
        compose: Callable[[], bytes],
        owner: Callable[[], Owner],
        mtime_ns: int,
        at_hand: Callable[[], bool],
        foretell: Callable[[], Foretold | None],
        spoil: Callable[[], None],
        is_known: Callable[[], bool],
        lasts: Callable[[float], bool],
    ) -> None:
        super().__init__(compose, owner, mtime_ns, at_hand, lasting=True)
        self._foretell = foretell
        self._spoil = spoil
        self._is_known = is_known
        self._lasts = lasts
        #: What the next `find` is told: its lane depended on it.
        self._next: Foretold | None = None

    @property
    def lane_of_find(self) -> Lane:
        """See `Node`."""
        self._next = self._foretell() if self._is_known() else None
        return QUICK if self._next else self.lane

    @property
    def may_last(self) -> bool:
        """See `Node`."""
        return True

    def lasts(self, since: float) -> bool:
        """See `Node`."""
        return self._told is not None and self._lasts(since)

    def find(self) -> Attributes:
        """See `Node`."""
        told, self._next = self._next, None
        if self.fresh:
            return self.attributes
        told = told or self._foretell()
        if told is None:
            return super().find()
        attributes = self._owner().file(told.size, self.mtime_ns)
        if not self.frozen:
            self.attributes, self._told = attributes, told
        elif (told, attributes) != (self._told, self.attributes):
            raise StaleError
        self._checked = time.monotonic()
        return attributes

    def open(self) -> Opened:
        """See `File`."""
        try:
            return super().open()
        except StaleError:
            self._spoil()
            raise
