"""What is in the files of dumps: made when somebody looks, and kept for a while."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from pstorefs.archive.entry import Entry
from pstorefs.archive.layout import SUMMARY
from pstorefs.archive.saved_summary import shown
from pstorefs.archive.stored import Stored
from pstorefs.catalog import bounds
from pstorefs.catalog.catalog import Catalog
from pstorefs.catalog.view import Listed
from pstorefs.report import files
from pstorefs.report.context import Context
from pstorefs.report.material import NotAtHandError, SavedAtHand, context_of, material
from pstorefs.report.summary_json import completed_text
from pstorefs.system.machine import Machine
from pstorefs.system.recent import Recent
from pstorefs.tree.node import StaleError


class _File(NamedTuple):
    """A file of a dump that was made lately."""

    #: What it was made of: the stamps of an archived dump, the id of another.
    version: object
    content: bytes


class Contents:
    """The files of all dumps of one mount. Safe from any thread.

    `may_name`: whether the report of a dump (the second) may say what is in another (the first).
    """

    def __init__(
        self,
        catalog: Catalog,
        machine: Machine,
        may_name: Callable[[Listed, Listed], bool],
        *,
        own: bool,
    ) -> None:
        self._catalog = catalog
        self._machine = machine
        self._may_name = may_name
        self._own = own
        self._made_lately: Recent[_File] = Recent(bounds.MADE_BYTES, lambda file: len(file.content))

    def of(self, file: str, dump: Listed) -> bytes:
        """A file of a dump. OSError, `StaleError` if it has none of that name."""
        # Looked up, opened and asked for its size: the same for as long as nothing changes.
        content = self._before(file, dump, wait=True)
        if content is None:
            content = self._completed(file, dump, wait=True)
        if content is not None:
            return content
        known = self._catalog.resolved(dump)
        version = known.stamps if isinstance(known, Stored) else known.id
        made = self._made_lately.get(self._key(file, dump.name))
        if made is not None and made.version == version:
            return made.content
        context = Context() if file in files.PLAIN else self.context(dump)
        content = files.FILES[file](material(self._catalog, known), context)
        if content is None:
            raise StaleError
        self._keep(file, dump.name, version, content)
        return content

    def at_hand(self, file: str, name: str) -> bool:
        """Whether one of its files is made, or was now, in no time."""
        view = self._catalog.at_hand()
        dump = view.dumps.get(name) if view else None
        if view is None or not isinstance(dump, Entry):
            return False
        if self._before(file, dump, wait=False) is not None:
            return True
        if view.boot_of(dump):
            return False  # the others have to be read for their titles
        if self._completed(file, dump, wait=False) is not None:
            return True
        known = self._catalog.resolved_at_hand(name)
        if known is None:
            return False
        try:
            content = files.FILES[file](SavedAtHand(self._catalog, known), self.context(dump))
        except NotAtHandError:
            return False
        if content is not None:
            self._keep(file, name, known.stamps, content)
        return content is not None

    def _before(self, file: str, dump: Listed, *, wait: bool) -> bytes | None:
        """A file of an archived dump that was made, if nothing changed since."""
        archive = self._catalog.archive
        if archive is None or not isinstance(dump, Entry):
            return None
        made = self._made_lately.get(self._key(file, dump.name))
        if made is None or made.version != archive.stamps(dump.name, wait=wait):
            return None
        return made.content

    def _completed(self, file: str, dump: Listed, *, wait: bool) -> bytes | None:
        """summary.json of an archived dump of which nothing changed: as saved, and who reads it."""
        archive = self._catalog.archive
        if file != SUMMARY or archive is None or not isinstance(dump, Entry):
            return None
        saved = archive.unchanged(dump, wait=wait)
        if saved is None:
            return None
        content = completed_text(shown(saved.summary), self.context(dump))
        if content is not None:
            self._keep(file, dump.name, saved.stamps, content)
        return content

    def _keep(self, file: str, name: str, version: object, content: bytes) -> None:
        self._made_lately.put(self._key(file, name), _File(version, content))

    def _key(self, file: str, name: str) -> tuple[object, ...]:
        """What a file of a dump depends on, beside the dump itself."""
        return name, file, self._catalog.generation, self._machine.hostname

    def context(self, dump: Listed) -> Context:
        """The other dumps of that boot, and who reads."""
        return context_of(
            self._catalog,
            dump,
            self._machine,
            own=self._own,
            may_name=lambda other: self._may_name(other, dump),
        )
