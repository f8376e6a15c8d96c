"""Save, verify, clear: the one place of this program that removes anything.

From the bottom up: durable (files that survive), layout (what an archive looks like), directory
(which one it is, its lock, its room); never_erased and damage (what is left alone); request (which
records are meant), relatives (what can belong to them), shelf (reads and decodes), archived (what
is saved already), plan (what is to be done); transaction, save, erase (doing it); prune; and engine
with the commands. No FUSE and no trio; imports of what decodes wait until there is a record.
"""
