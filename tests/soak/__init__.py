"""A soak: real mounts in a bad hour, and after it everything as it was before.

    python -m tests.soak [--seconds N] [--seed N] [--everything]

as root. Three mounts, each over a directory with records of the corpus and variations of them:

======= ==========================================================================================
steady  never restarted: what grows in it over the hour is a leak; its archive is on a disk
tight   never restarted; its archive is a tmpfs of a few MiB that is full every now and then
shaken  ended in every way (umount, lazily, SIGTERM, SIGINT, SIGHUP, SIGKILL) and mounted again
======= ==========================================================================================

At once and all the time: readers of every kind, each text compared with what was put in; commands,
whole, wrong, and cut; records and folders that come, change and go; daemons and clients stopped,
clients killed; caches evicted and memory scarce; the daemons' wall clock thrown by hours and years.

Every so often all hold still (a *quiet point*): nothing may be lost, the mounts must show what is
in the source to the last byte, and once the kernel has forgotten what it knew, the daemons must
have no inode, no handle, no descriptor more than at the first quiet point, and no more memory.

The first thing that must not be ends the soak with a sentence and exit status 1. The actors' random
numbers follow from --seed; what they did stands in build/soak.log.
"""
