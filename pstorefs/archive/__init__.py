"""Save, verify, clear: the one place of this program that removes anything.

Ground floor to top: durable (files that survive), layout (what an archive looks like), directory
(which one it is, its lock, its room), never_erased, plan, run, save, erase, prune, and engine with
the commands. No FUSE and no trio; imports of what decodes wait until there is a record.
"""
