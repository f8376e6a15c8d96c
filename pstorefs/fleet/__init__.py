"""A fleet: each machine hands its archived dumps to a store that all machines share.

The archive never waits for any of this. It is a second step, and the only code of this program that
opens a socket other than AF_UNIX: through the library obstore (objects.py), or urllib (sentry.py).

Pure: keys (what objects are called), bundle (a dump as one file), entry (a dump as one line),
machine (what a machine is called), retry (when to try again). Above them: dumps (read from the
archive), store with its engines objects, spool and sentry, receipts, ship and check.

A mount of such a store goes the other way: remote (requests), days with its cache
daycache (which crashes there are), grouped (by signature, host, day), replaced (dumps that have
grown), bundles and unpack (the files of one).
"""
