"""Save, verify, clear: the one place of this program that removes anything.

One command, from top to bottom: `engine` opens and locks the archive; `request` looks up the names;
`relatives` says which records can belong to these; `batches` takes them by the thousand; `shelf`
reads and decodes; `candidates` finds what is saved already; `plan` makes a job of each dump; a
`transaction` takes the jobs of a batch through `stage`, `save` and `erase`; `prune` does what keep=
asks for, and `index` is brought up to date.

Below them: `never_erased` and `damage` (what is left alone), `directory` (where an archive may be,
its lock, its room), `layout` (what it looks like), `stored`, `entry`, `in_full`, `shape` (what its
dumps are, for those who list them), `durable` (files that survive a power cut), `spool` (what hooks
are to be told), `outcome`, `errors`, `policy`, `progress`. No FUSE and no trio; imports of what
decodes wait until there is a record.
"""
