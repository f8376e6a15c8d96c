"""What capabilities(7) offers: the sets of a thread, and prctl(2)."""

from __future__ import annotations

from ctypes import c_int, c_uint32, c_ulong

from pstorefs.system import libc

#: include/uapi/linux/capability.h
DAC_OVERRIDE, DAC_READ_SEARCH, SYS_ADMIN = 1, 2, 21

# include/uapi/linux/prctl.h
_PR_SET_NO_NEW_PRIVS = 38
# The header of capget(2) and capset(2): two words of 32 bits for each set, since Linux 2.6.26.
_VERSION_3 = 0x20080522


def no_new_privs() -> None:
    """What this thread starts gets no more privileges than it has. OSError."""
    prctl(_PR_SET_NO_NEW_PRIVS, 1)


def prctl(option: int, argument: int) -> int:
    """Call the system, with one argument beside the option. OSError."""
    arguments = [c_ulong(value) for value in (argument, 0, 0, 0)]
    return libc.call("prctl", c_int(option), *arguments)


def limit(permitted: int, effective: int) -> None:
    """Keep of the permitted set what is named; nothing is inherited by what is started."""
    held = sets()[1] & permitted
    _capabilities("capset", (held & effective, held, 0))


def sets() -> tuple[int, int, int]:
    """The sets of this thread: effective, permitted, inheritable."""
    return _capabilities("capget", (0, 0, 0))


def _capabilities(name: str, sets: tuple[int, int, int]) -> tuple[int, int, int]:
    """capget(2) or capset(2): in memory, the low words of the three sets, then the high ones."""
    header = (c_uint32 * 2)(_VERSION_3, 0)
    data = (c_uint32 * 6)(*(each >> shift & 0xFFFFFFFF for shift in (0, 32) for each in sets))
    libc.call(name, header, data)
    low, high = data[:3], data[3:]
    effective, permitted, inheritable = (a | b << 32 for a, b in zip(low, high, strict=True))
    return effective, permitted, inheritable
