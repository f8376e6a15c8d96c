"""How fresh a catalog is, and how much it keeps: all bounds of this room, in one place.

Freshness. A look holds for half a second (source/looked.py). What is looked at, and when:

* the store and systemd's archive: one stat for each record, at the first question after that. A
  record is read when its stamp is new, and never again.
* the archive: its root and its index, two stats for all dumps. When either changed, one stat for
  each dump; a dump whose directory is another one, or was changed (ctime), is looked at: its
  summary.json, SHA256SUMS and raw/. A root that changed less than `SETTLED_NS` ago may change again
  within the same tick of its clock: it is looked at again.
* dmesg.txt and summary.json of an archived dump, of which the index has the size: nothing at a
  look-up. At each open dmesg.txt is read. If its ctime is not that in the index, or none is there
  (archive/batches.py), its digest is compared; so what goes bad beneath the file system, without a
  write, is not noticed here. Of summary.json see the next point. Who names other dumps of its boot
  is composed at a look-up, too.
* an archived dump of which more is used (its other files are read, status names it): its
  directory, raw/, summary.json, SHA256SUMS and each record's stamp, at most once in half a second.
  A change there that leaves the dump's directory as it was, such as a record that somebody removed
  from raw/, is found at that moment. Where the index has a mark of just these, nothing but
  summary.json is read to show that.
* what the kernel may keep of an archived dump, its dmesg.txt and its summary.json until something
  changes there: mount/watch.py.
* archived dumps that may be one with a record of the store, or that are not as this program
  writes them, are read in full, and looked at as the store is.
"""

from __future__ import annotations

#: Bytes of a file of the archive that may be read while everybody waits: a millisecond.
QUICK_BYTES = 128 << 10
#: A directory's mtime tells of every change once it is so old (FAT rounds to two seconds).
SETTLED_NS = 3 * 10**9
#: Of a place: bounds against a source made to hurt.
MOST_RECORDS = 200_000
MOST_DUMPS = 200_000
#: Dumps whose facts, summaries, records are kept.
FACTS_KEPT = 256
STORED_KEPT = 64
FULL_KEPT = 16
BRIEFS_KEPT = 4096
#: Bytes of joined texts that are kept; the kernel's page cache holds what is read. What records
#: decode to is kept elsewhere: record/decoded.py.
TEXT_BYTES = 8 << 20
#: Bytes of reports and summaries that are kept.
MADE_BYTES = 16 << 20
#: Bytes of a dmesg.txt in an archive: a single record can be so long.
LONGEST_TEXT = 32 << 20
#: So many of the newest dumps are named in status.
NEWEST = 12
