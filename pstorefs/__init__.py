"""pstorefs: crash records of the Linux kernel as text."""

__version__ = "0.1.0"
