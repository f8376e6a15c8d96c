"""What is sent of one dump: its bundle and its index entry, with their keys."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from pstorefs.archive import layout
from pstorefs.fleet import bundle, entry, keys, receipts
from pstorefs.settings.ship import NOBODY

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pstorefs.fleet import dumps
    from pstorefs.fleet.ship import Sender

    #: Key, content, media type.
    Object = tuple[str, bytes, str]

GZIP, JSON = "application/gzip", "application/json"


class Parcel(NamedTuple):
    """What is sent of one dump, in this order, and what its receipt says.

    Without objects a dump is not meant for the receiver: it gets its receipt, and no request.
    """

    objects: tuple[Object, ...]
    head: dict[str, Any]
    row: Mapping[str, Any]


def prepared(sender: Sender, saved: dumps.Saved) -> Parcel:
    """Bundle and index entry of a dump. ValueError if no key can name it."""
    row, names = named(sender, saved)
    given = sender.settings.host
    files = bundle.without_machine(
        saved.files, saved.summary, names.machine, "" if given == NOBODY else given or None
    )
    packed = bundle.pack(saved.name, files, names.moment)
    about = entry.Bundle(names.bundle_key, len(packed.data), packed.sha256, packed.tar_sha256)
    line = entry.line(names, saved.id, _replaced(sender, saved), saved.saved, row, about)
    objects = (names.bundle_key, packed.data, GZIP), (names.index_key, line, JSON)
    sent = {"sha256": packed.sha256, "key": names.bundle_key}
    return Parcel(objects, head(saved, row) | sent, row)


def _replaced(sender: Sender, saved: dumps.Saved) -> str | None:
    """The id under which this dump was shipped before it grew.

    It may have grown more than once since. Without a receipt: what it was before it last grew.
    """
    before = layout.parse_sums(receipts.shipped_sums(sender.receipts, saved.name)) or {}
    hashes = set(before.values())
    # A receipt of another dump that had this name replaces nothing.
    if hashes and hashes < set(saved.hashes):
        return keys.id_of(before.values())
    return saved.replaces


def named(sender: Sender, saved: dumps.Saved) -> tuple[dict[str, Any], keys.Names]:
    """The facts of a dump, and its names. ValueError if no key can name it."""
    row = entry.columns(saved.summary)
    machine, host = sender.identity.of(saved.summary)
    label = keys.label_of(row["class"] or "", entry.function_of(row), row["signature"] or "")
    kernel = row["kernel"] or ""
    return row, keys.names(machine, saved.name, saved.id, saved.saved, label, kernel, host)


def head(saved: dumps.Saved, row: Mapping[str, Any]) -> dict[str, Any]:
    """The first line of a receipt."""
    return {"id": saved.id, "signature": (row["signature"] or "")[:200]}
